// How good a network is on a split: without dropout, final output only.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "comm/mesh_groups.h"
#include "corpus/token_reader.h"
#include "data/window_reader.h"
#include "model/language_stream.h"
#include "plan/windows.h"
#include "ranks/in_step.h"
#include "ranks/ranks.h"

namespace trellis {

struct EvaluationResult {
  double loss_nats = 0;            // mean of -log p over what was scored
  std::int64_t scored = 0;         // tokens of a text, sequences of a classifier
  std::optional<double> accuracy;  // classifiers: share of the sequences that were right
};

class Evaluator {
 public:
  virtual ~Evaluator() = default;
  // Collective. Every rank gets the same result. at_pause: called about every half second (ranks/in_step.h); an exception from it
  // leaves the evaluation. It may use everything but this evaluator, and not change the weights.
  virtual EvaluationResult run(const Parameters& weights, const AtPause& at_pause) = 0;
  // Told on this rank, while an evaluation runs, about how much of it is done: of `all` that all ranks are to score.
  using OnProgress = std::function<void(std::int64_t done, std::int64_t all)>;
  void on_progress(OnProgress listener) { on_progress_ = std::move(listener); }

 protected:
  // After `batches` of `all_batches`, of which every rank has as many.
  void report_progress(std::int64_t batches, std::int64_t all_batches, std::int64_t all_scored) const {
    if (!on_progress_) return;
    const double share = static_cast<double>(batches) / static_cast<double>(all_batches);
    on_progress_(static_cast<std::int64_t>(share * static_cast<double>(all_scored)), all_scored);
  }

 private:
  OnProgress on_progress_;
};

// A prediction of one token of a split.
struct ScoredToken {
  std::int64_t position = 0;  // of the token in its split
  double log_probability = 0;  // nats
};

// The loss of a text, history running through the whole split as the plan says.
class LanguageModelEvaluator : public Evaluator {
 public:
  // plan: of this split. Lanes are dealt to the ranks, whatever their stage; some may get none. groups: of the mesh that holds
  // the weights; must outlive this.
  LanguageModelEvaluator(const Ranks& ranks, const MeshGroups& groups, std::shared_ptr<const TokenReader> tokens, const WindowPlan& plan, const TrellisShape& shape,
                         at::TensorOptions options);

  EvaluationResult run(const Parameters& weights, const AtPause& at_pause) override;
  // The same, and what this rank's lanes scored, position by position; lanes in order, so positions rise over the ranks.
  EvaluationResult run(const Parameters& weights, const AtPause& at_pause, std::vector<ScoredToken>& scored);
  const WindowPlan& plan() const { return plan_; }

 private:
  EvaluationResult run(const Parameters& weights, const AtPause& at_pause, std::vector<ScoredToken>* scored);
  void run_window(const WindowBatch& batch, double& nats, std::int64_t& count, std::vector<std::vector<ScoredToken>>* by_lane);

  const Ranks ranks_;
  WindowPlan plan_;
  Range lanes_;
  std::shared_ptr<const TokenReader> tokens_;
  // Overlapping windows whose discarded steps are all that the levels reach: what a window computes again is what the one
  // before has, so the stream simply goes on.
  bool continuous_;
  std::int64_t stream_lanes_;  // those of this rank, or where the vocabulary is shared as many as any rank has, for they go in step
  std::unique_ptr<LanguageStream> stream_;
};

}  // namespace trellis
