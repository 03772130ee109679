#include "parallel/language_model.h"

#include <utility>

#include "base/time_span.h"
#include "model/launch.h"
#include "parallel/gradient_reduction.h"

namespace trellis {
LanguageModel::LanguageModel(const MeshGroups& groups, const TrellisShape& shape, std::int64_t all_lanes, std::int64_t max_steps,
                             const Options& options, at::TensorOptions tensor_options)
    : groups_(groups),
      shape_(shape),
      all_lanes_(all_lanes),
      lanes_(groups.mesh.lanes_of_replica(all_lanes, groups.mesh.replica_of(groups.rank))),
      options_(options),
      tensor_options_(tensor_options),
      share_(VocabularyShare::of(groups, shape)),
      kernels_(options.activations),
      stage_(shape, groups.replica, lanes_.size(), max_steps,
             {.keep = options.keep, .activations = options.activations, .lane_groups = options.lane_groups,
              .raw_output_gradient = options.objective.slowness > 0},
             tensor_options),
      embedding_(groups, share_.stripes, all_lanes, max_steps, tensor_options),
      loss_(groups, shape, share_, all_lanes, embedding_.lanes(), max_steps, tensor_options) {
  shape.validate();
  if (options.objective.slowness > 0 && stage_.is_last()) change_ = at::empty({lanes_.size() * max_steps, shape.outputs}, tensor_options);
}

History LanguageModel::zero_history() const {
  return {at::zeros({lanes_.size(), shape_.hidden}, tensor_options_), at::zeros({lanes_.size(), shape_.hidden}, tensor_options_)};
}

void LanguageModel::expect_window(const WindowTokens& window) const {
  const std::int64_t rows = window.steps * given_lanes().size();
  expect_shape("tokens", window.tokens, {rows});
  expect_shape("targets", window.targets, {rows});
  require(window.tokens.is_contiguous() && window.targets.is_contiguous(), "tokens and targets lie one after another");
  require(0 <= window.discard && window.discard < window.steps, "a window has steps that carry loss");
}

at::Tensor LanguageModel::penalties(const WindowTokens& window, const ScoredSteps& of_all) {
  const at::Tensor sums = at::zeros({2}, tensor_options_.dtype(at::kDouble));
  const Objective& objective = options_.objective;
  const std::int64_t lanes = lanes_.size(), skipped = window.discard * lanes, rows = window.steps * lanes - skipped;
  if (!stage_.is_last() || lanes == 0) return sums;
  if (objective.activation > 0) {
    const at::Tensor output = stage_.output(0).narrow(0, skipped, rows);
    sums.select(0, 0).copy_(sum_of_squares(output));
    stage_.d_output(0).narrow(0, skipped, rows).add_(output, 2 * objective.activation / of_all.activations());
  }
  if (objective.slowness == 0) return sums;
  const at::Tensor d_raw = stage_.d_raw_output();
  d_raw.zero_();
  if (window.steps - window.discard == 1) return sums;
  const at::Tensor raw = stage_.raw_output().narrow(0, skipped, rows);
  const at::Tensor change = change_.narrow(0, 0, rows - lanes);  // from each step to the next
  change.copy_(raw.narrow(0, lanes, rows - lanes));
  change.sub_(raw.narrow(0, 0, rows - lanes));
  sums.select(0, 1).copy_(sum_of_squares(change));
  change.mul_(2 * objective.slowness / of_all.changes());
  d_raw.narrow(0, skipped + lanes, rows - lanes).add_(change);
  d_raw.narrow(0, skipped, rows - lanes).sub_(change);
  return sums;
}

at::Tensor LanguageModel::forward_backward(const Parameters& weights, const WindowTokens& window, const DropoutMasks& masks,
                                           History& history, Parameters& gradients) {
  return forward_backward(weights, window, masks, history, gradients,
                          {.of_all = {window.steps - window.discard, all_lanes_, shape_.outputs}});
}

at::Tensor LanguageModel::forward_backward(const Parameters& weights, const WindowTokens& window, const DropoutMasks& masks,
                                           History& history, Parameters& gradients, const Part& part) {
  expect_window(window);
  const ConvolutionKernels kernel_gradients = EffectiveKernels::gradients_of(gradients);
  if (part.first) {
    gradients.flat().narrow(0, gradients.layout().striped_size(), gradients.flat().numel() - gradients.layout().striped_size()).zero_();
    kernels_.compute(weights, masks);
  }

  embedding_.begin_window(window.tokens, window.steps);
  stage_.begin_window(window.steps, options_.chunks, history, masks.hidden, masks.outputs);
  embedding_.lookup(weights, masks, stage_.embedded());
  stage_.forward(kernels_.kernels());

  std::vector<double> scale(static_cast<std::size_t>(shape_.output_count()), options_.objective.auxiliary_weight / part.of_all.tokens());
  scale[0] = 1 / part.of_all.tokens();
  const at::Tensor losses =
      loss_.run(weights, stage_, window, scale, masks.latents, gradients, part.first ? Accumulate::overwrite : Accumulate::add);
  const at::Tensor sums = at::cat({losses, penalties(window, part.of_all)});

  GradientReduction reduction(groups_, gradients);
  const bool as_rows = part.last && embedding_.travels_as_rows();
  if (as_rows) reduction.start_striped();
  stage_.backward(kernels_.kernels(), kernel_gradients);
  embedding_.backward(stage_.d_embedded(), masks, gradients, as_rows);
  stage_.result(history);
  if (!part.last) return sums;
  reduction.finish();
  embedding_.add_rows(gradients);
  EffectiveKernels::backward(weights, masks, gradients);
  return sums;
}

}  // namespace trellis
