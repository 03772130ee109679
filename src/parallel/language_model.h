// The language model on a mesh: embedding, trellis levels, output layer, auxiliary losses and penalties of one window; forward
// and backward without autograd, over buffers allocated once. Every mesh computes the same loss and the same gradient, down to
// the order of its sums. One rank alone is a mesh too. For use without gradient see model/language_stream.h.
#pragma once

#include <ATen/ATen.h>

#include <optional>

#include "comm/mesh_groups.h"
#include "model/dropout.h"
#include "model/effective_kernels.h"
#include "model/objective.h"
#include "model/parameters.h"
#include "parallel/pipeline_stage.h"
#include "parallel/vocabulary_embedding.h"
#include "parallel/vocabulary_loss.h"
#include "parallel/window_lanes.h"

namespace trellis {

class LanguageModel {
 public:
  struct Options {
    Objective objective = {};
    Keep keep = Keep::gates;
    std::optional<at::ScalarType> activations = std::nullopt;  // of what lies between the levels (see LevelStack), undefined: the weights' type
    std::int64_t chunks = 1;                    // of time; a pipeline's units
    std::int64_t lane_groups = 1;
  };
  // groups must outlive this. all_lanes: of all replicas, which may be fewer than there are; max_steps: the longest window.
  LanguageModel(const MeshGroups& groups, const TrellisShape& shape, std::int64_t all_lanes, std::int64_t max_steps, const Options& options,
                at::TensorOptions tensor_options);

  const VocabularyShare& vocabulary() const { return share_; }
  // What the parameters of this rank are.
  ParameterLayout layout() const { return ParameterLayout(shape_, share_.stripes, share_.place); }
  // The lanes of this rank's replica: what input, hidden and output masks and the history are of.
  Range lanes() const { return lanes_; }
  // The lanes whose tokens, targets and latent masks this rank needs; those of its replica are among them.
  Range given_lanes() const { return embedding_.lanes(); }
  // All zero, [lanes, H].
  History zero_history() const;

  // Collective over the mesh. One window: LossSums of this rank's share of the loss's terms (sum them over all ranks), and the
  // gradient of the objective, whose means are over the scored steps of all lanes: overwrites `gradients` with the gradient of
  // the raw parameters over all ranks. `history` is replaced by what this window leaves.
  at::Tensor forward_backward(const Parameters& weights, const WindowTokens& window, const DropoutMasks& masks, History& history,
                              Parameters& gradients);
  // The same for one window of several whose gradients are added up: means are over the scored steps of all of them. `gradients`
  // are complete after the last; all windows have the same dropout of kernels.
  struct Part {
    ScoredSteps of_all;
    bool first = true, last = true;
  };
  at::Tensor forward_backward(const Parameters& weights, const WindowTokens& window, const DropoutMasks& masks, History& history,
                              Parameters& gradients, const Part& part);

 private:
  void expect_window(const WindowTokens& window) const;
  // Adds the penalties' gradient to d_output(0) and d_raw_output. Their sums of squares, [2], are of the last stage, zero elsewhere.
  at::Tensor penalties(const WindowTokens& window, const ScoredSteps& of_all);

  const MeshGroups& groups_;
  TrellisShape shape_;
  std::int64_t all_lanes_;
  Range lanes_;
  Options options_;
  at::TensorOptions tensor_options_;
  VocabularyShare share_;
  EffectiveKernels kernels_;
  PipelineStage stage_;
  VocabularyEmbedding embedding_;
  VocabularyLoss loss_;
  at::Tensor change_;  // of the output from step to step, for the slowness penalty
};

}  // namespace trellis
