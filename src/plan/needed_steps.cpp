#include "plan/needed_steps.h"

#include <algorithm>
#include <set>

#include "base/errors.h"

namespace trellis {

NeededSteps::NeededSteps(std::int64_t steps, std::int64_t kernel, const std::vector<std::int64_t>& dilations) : levels_(dilations.size()) {
  require(steps >= 1 && kernel >= 1 && !dilations.empty(), "a trellis has steps, taps and levels");
  levels_.back() = {steps - 1};
  for (std::size_t level = dilations.size() - 1; level > 0; --level) {
    std::set<std::int64_t> below;
    for (const std::int64_t step : levels_[level]) {
      for (std::int64_t tap = 0; tap < kernel; ++tap) {
        if (const std::int64_t earlier = step - tap * dilations[level]; earlier >= 0) below.insert(earlier);
      }
    }
    levels_[level - 1].assign(below.begin(), below.end());
  }
}

std::vector<std::int64_t> NeededSteps::places_below(std::int64_t level, std::int64_t delay) const {
  const std::vector<std::int64_t>& below = of_level(level - 1);
  std::vector<std::int64_t> places;
  for (const std::int64_t step : of_level(level)) {
    const auto found = std::lower_bound(below.begin(), below.end(), step - delay);
    require(step < delay || (found != below.end() && *found == step - delay), "the level below has the steps that its upper neighbour needs");
    places.push_back(step < delay ? -1 : found - below.begin());
  }
  return places;
}

std::vector<std::int64_t> NeededSteps::places_in_input(std::int64_t level, std::int64_t delay) const {
  std::vector<std::int64_t> places;
  for (const std::int64_t step : of_level(level)) places.push_back(step < delay ? -1 : step - delay);
  return places;
}

std::int64_t NeededSteps::count() const {
  std::int64_t nodes = 0;
  for (const auto& steps : levels_) nodes += static_cast<std::int64_t>(steps.size());
  return nodes;
}

std::int64_t NeededSteps::largest() const {
  std::size_t most = 0;
  for (const auto& steps : levels_) most = std::max(most, steps.size());
  return static_cast<std::int64_t>(most);
}

}  // namespace trellis
