// Training a language model on the lanes of a text (plan/windows.h).
#pragma once

#include <memory>

#include "corpus/token_reader.h"
#include "data/window_reader.h"
#include "model/language_model.h"
#include "train/ranks.h"
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
    int batches_ahead = 4;
  };
  // plan: for training on all of `tokens`. Lanes are dealt to the ranks; some may get none.
  LanguageModelTask(const Ranks& ranks, const TrellisShape& shape, std::shared_ptr<const TokenReader> tokens, const WindowPlan& plan,
                    const Options& options, at::TensorOptions tensor_options);

  std::int64_t windows() const override { return plan_.windows(); }
  void begin_pass(std::int64_t pass, std::int64_t window) override;
  StepLoss forward_backward(const Parameters& weights, std::int64_t step, Parameters& gradients) override;
  void finish_gradients(const Parameters& weights, Parameters& gradients) override;
  std::int64_t all_lanes() const override { return plan_.lanes(); }
  Range lanes() const override { return lanes_; }
  std::vector<LaneState> lane_states() override;
  std::string description() const override;

 private:
  const Ranks ranks_;
  TrellisShape shape_;
  WindowPlan plan_;
  Range lanes_;
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
