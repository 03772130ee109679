// Means over the steps between two lines: of losses and accuracy by what each step scored, of the gradient's norm by steps. The mean
// of one step is that step's number, to the last bit.
#pragma once

#include <cstdint>
#include <optional>

namespace trellis {

// One step's numbers, or means over steps.
struct StepNumbers {
  double loss_nats = 0;
  std::optional<double> accuracy = {};        // classifiers, in [0, 1]
  std::optional<double> auxiliary_loss = {};  // unweighted; empty without auxiliary outputs
  double gradient_norm = 0;                   // before clipping
};

class StepMeans {
 public:
  // scored: tokens or sequences that the step's loss is over.
  void add(const StepNumbers& step, std::int64_t scored);

  std::int64_t steps() const { return steps_; }
  std::int64_t scored() const { return scored_; }
  const StepNumbers& means() const { return means_; }
  double largest_gradient_norm() const { return largest_norm_; }

 private:
  StepNumbers means_;
  double largest_norm_ = 0;
  std::int64_t steps_ = 0, scored_ = 0;
};

// What a bar shows: means that forget, so that a number neither jumps from step to step nor lags behind a run of days. A step counts
// 1 / memory; the first ones as in a plain mean.
class RunningMeans {
 public:
  explicit RunningMeans(std::int64_t memory) : memory_(memory) {}
  void add(const StepNumbers& step);
  const StepNumbers& means() const { return means_; }

 private:
  std::int64_t memory_, steps_ = 0;
  StepNumbers means_;
};

}  // namespace trellis
