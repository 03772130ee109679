// One step of data-parallel training: every rank computes its lanes of a window, gradients are summed, and every rank
// makes the same update.
#pragma once

#include "model/language_model.h"
#include "parallel/gradient_reduction.h"
#include "train/evaluation.h"
#include "train/optimizer.h"

namespace trellis {

struct StepResult {
  double loss_nats_per_token = 0;            // final output, mean over all ranks' scored tokens
  double auxiliary_loss_nats_per_token = 0;  // sum over auxiliary outputs, unweighted
  double gradient_norm = 0;                  // before clipping
  std::int64_t tokens = 0;                   // scored, all ranks
};

class TrainingStep {
 public:
  // lanes: all ranks together.
  TrainingStep(const Ranks& ranks, const TrellisShape& shape, double auxiliary_weight, const DropoutRates& dropout,
               const OptimizerRule& rule, std::int64_t lanes, std::int64_t max_steps, std::uint64_t seed, Keep keep,
               at::TensorOptions options);

  Range lanes() const { return lanes_; }  // of this rank
  Parameters& weights() { return weights_; }
  const Parameters& weights() const { return weights_; }
  Optimizer& optimizer() { return optimizer_; }
  History& history() { return history_; }  // of this rank's lanes
  void clear_history();

  // Collective. step counts from 0: its masks are drawn for window number `step`, its Adam correction for step + 1.
  // Throws NumericError, on every rank, when the loss or the gradient is not finite; weights are then unchanged.
  StepResult run(const WindowBatch& batch, std::int64_t step, double learning_rate);

 private:
  const Ranks ranks_;
  TrellisShape shape_;
  double auxiliary_weight_;
  DropoutRates dropout_;
  OptimizerRule rule_;
  std::int64_t all_lanes_;
  Range lanes_;
  std::uint64_t seed_;
  at::TensorOptions options_;
  Parameters weights_, gradients_;
  Optimizer optimizer_;
  LanguageModel model_;
  History history_;
  DropoutMasks masks_;
};

}  // namespace trellis
