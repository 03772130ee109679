// Training a language model on the lanes of a text (plan/windows.h).
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "config/settings.h"
#include "corpus/token_reader.h"
#include "data/window_reader.h"
#include "parallel/language_model.h"
#include "ranks/ranks.h"
#include "train/task.h"

namespace trellis {

class LanguageModelTask : public Task {
 public:
  struct Options {
    Objective objective;
    DropoutRates dropout;
    std::uint64_t seed = 1;
    Keep keep = Keep::gates;
    std::optional<at::ScalarType> activations;  // their type where it is not that of the weights
    std::int64_t chunks = 1;                    // of time; with lane_groups a pipeline's units
    std::int64_t lane_groups = 1;
    std::int64_t accumulate = 1;                // windows of a step
    int batches_ahead = 4;
  };
  // plan: for training on all of `tokens`. Lanes are dealt to the replicas; some may get none. groups must outlive this.
  LanguageModelTask(const Ranks& ranks, const MeshGroups& groups, const TrellisShape& shape, std::shared_ptr<const TokenReader> tokens, const WindowPlan& plan,
                    const Options& options, at::TensorOptions tensor_options);

  std::int64_t windows() const override { return (plan_.windows() + options_.accumulate - 1) / options_.accumulate; }
  void begin_pass(std::int64_t pass, std::int64_t window) override;
  ParameterLayout layout() const override { return model_.layout(); }
  StepSums forward_backward(const Parameters& weights, std::int64_t step, Parameters& gradients) override;
  std::int64_t all_lanes() const override { return plan_.lanes(); }
  Range lanes() const override { return model_.lanes(); }
  std::vector<LaneState> lane_states() override;
  std::string description() const override;

 private:
  // What the windows of a step, the first of which is given, score together.
  ScoredSteps scored_in_step(std::int64_t first_window) const;
  at::Tensor run_window(const Parameters& weights, const WindowBatch& batch, std::int64_t step, const LanguageModel::Part& part, Parameters& gradients);

  const Ranks ranks_;
  const MeshGroups& groups_;
  TrellisShape shape_;
  WindowPlan plan_;
  Options options_;
  at::TensorOptions tensor_options_;
  std::int64_t text_tokens_;
  LanguageModel model_;
  History history_;
  DropoutMasks masks_;
  WindowReader reader_;
};

// The batch as tensors that share its memory.
WindowTokens as_tensors(const WindowBatch& batch);

}  // namespace trellis
