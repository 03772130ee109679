// What a run trains, as the training loop sees it: batches in an order that can be resumed anywhere, their gradient, and
// what a checkpoint must hold of them. language_model_task.h and classifier_task.h are the two there are.
//
// "Scored" counts what carries loss: tokens of a text, sequences of a classifier.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "model/parameters.h"
#include "plan/shard_range.h"

namespace trellis {

// One step's loss, the same on every rank. Means are over what the step scored.
struct StepLoss {
  double loss_nats = 0;            // final output
  double auxiliary_loss_nats = 0;  // sum over auxiliary outputs, unweighted
  double objective = 0;            // what the gradient is of: with weights and penalties
  std::optional<double> accuracy;  // classifiers: share of the step's sequences that were right
  std::int64_t scored = 0;         // all ranks
};

// The same while it is being computed: numbers where the network computes, the same on every rank, and what they mean once they
// are in host memory.
struct StepSums {
  at::Tensor numbers;       // [n] float64
  std::int64_t scored = 0;  // all ranks
  std::function<StepLoss(const double* numbers)> loss;
};

// Rows of a tensor that ranks hold by lanes.
struct LaneState {
  std::string name;  // in a checkpoint
  at::Tensor own;    // [lanes of this rank, channels]
};

class Task {
 public:
  virtual ~Task() = default;

  // --- the pass over the training split ---
  virtual std::int64_t windows() const = 0;  // steps of one pass
  // The next step is window `window` of pass `pass`, both counted from 0.
  virtual void begin_pass(std::int64_t pass, std::int64_t window) = 0;

  // What this rank's parameters are.
  virtual ParameterLayout layout() const = 0;
  // Collective. Forward and backward of the next window with the dropout masks of step number `step` (counted from 0 over
  // the whole run). Overwrites `gradients`, with those of the objective over all ranks. Does not wait for a GPU.
  virtual StepSums forward_backward(const Parameters& weights, std::int64_t step, Parameters& gradients) = 0;

  // --- for checkpoints ---
  virtual std::int64_t all_lanes() const = 0;
  virtual Range lanes() const = 0;                    // of this rank
  virtual std::vector<LaneState> lane_states() = 0;  // what is carried from step to step; filled when a run is resumed

  // "2,088,628 training tokens, 512 a step": for people.
  virtual std::string description() const = 0;
};

}  // namespace trellis
