// The loss of a split: history runs through the whole split, the mean is over tokens, no dropout, final output only.
#pragma once

#include <memory>

#include "comm/process_group.h"
#include "corpus/token_reader.h"
#include "data/window_reader.h"
#include "model/language_model.h"
#include "plan/windows.h"

namespace trellis {

struct EvaluationResult {
  double loss_nats_per_token = 0;
  std::int64_t tokens = 0;  // scored
};

// Where the ranks of a run meet: for control flow, and for tensors.
struct Ranks {
  const Communicator& world;
  const ProcessGroup& group;
  int rank() const { return world.rank(); }
  int size() const { return world.size(); }
};

class Evaluator {
 public:
  // plan: made for evaluation of this split. Lanes are dealt to the ranks; some may get none.
  Evaluator(const Ranks& ranks, std::shared_ptr<const TokenReader> tokens, const WindowPlan& plan, const TrellisShape& shape,
            at::TensorOptions options);

  // Collective. Every rank gets the same result.
  EvaluationResult run(const Parameters& weights);

 private:
  const Ranks ranks_;
  WindowPlan plan_;
  Range lanes_;
  std::shared_ptr<const TokenReader> tokens_;
  LanguageModel model_;
};

// The batch as tensors that share its memory.
WindowTokens as_tensors(const WindowBatch& batch);

}  // namespace trellis
