// Which nodes (level, step) of a trellis the last step of its last level depends on. A convolution that is dilated by more
// than one step skips some, so a classifier, which reads that one node, need not compute the rest.
// Integers only.
#pragma once

#include <cstdint>
#include <vector>

namespace trellis {

class NeededSteps {
 public:
  // steps: of the sequence; dilations: of each level, lowest first; kernel: taps. All at least 1.
  NeededSteps(std::int64_t steps, std::int64_t kernel, const std::vector<std::int64_t>& dilations);

  // Steps at which `level` has to be computed, rising.
  const std::vector<std::int64_t>& of_level(std::int64_t level) const { return levels_[static_cast<std::size_t>(level)]; }
  // For every step of `level`, in order: the place of the step `delay` before it among those of the level below, or -1 where
  // that lies before the sequence. Defined for every delay that the level's convolution and cell use; level >= 1.
  std::vector<std::int64_t> places_below(std::int64_t level, std::int64_t delay) const;
  // The same for the input, of which every step is there.
  std::vector<std::int64_t> places_in_input(std::int64_t level, std::int64_t delay) const;

  std::int64_t count() const;    // nodes, over all levels
  std::int64_t largest() const;  // of a level

 private:
  std::vector<std::vector<std::int64_t>> levels_;
};

}  // namespace trellis
