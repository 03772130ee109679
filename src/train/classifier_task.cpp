#include "train/classifier_task.h"

#include <fmt/core.h>

#include <array>
#include <utility>

#include "base/errors.h"
#include "comm/rank_sums.h"
#include "mpi/agreement.h"
#include "parallel/gradient_reduction.h"
#include "plan/shuffle.h"

namespace trellis {
namespace {

StepLoss mean_of(const ClassificationSums& sums, std::int64_t sequences) {
  const double count = static_cast<double>(sequences), loss = sums.loss / count;
  return {.loss_nats = loss, .auxiliary_loss_nats = 0, .objective = loss, .accuracy = sums.correct / count, .scored = sequences};
}

}  // namespace

std::optional<std::vector<std::int64_t>> step_order(bool permuted, std::uint64_t seed, std::int64_t steps) {
  if (!permuted) return std::nullopt;
  return random_permutation(steps, seed, 0, Purpose::permutation);
}

ClassifierTask::ClassifierTask(const Ranks& ranks, const MeshGroups& groups, const TrellisShape& shape, std::shared_ptr<const SequenceReader> sequences,
                               const SequenceBatches& plan, const Options& options, at::TensorOptions tensor_options)
    : ranks_(ranks),
      groups_(groups),
      shape_(shape),
      plan_(plan),
      lanes_(shard_range(plan.lanes(), ranks.size(), ranks.rank())),
      options_(options),
      tensor_options_(tensor_options),
      steps_(sequences->steps()),
      normalised_(sequences->description().normalisation, tensor_options),
      model_(shape, steps_, lanes_.size(), options.keep, tensor_options, options.activations),
      reader_(std::move(sequences), plan, lanes_,
              {.batches_ahead = options.batches_ahead, .step_order = step_order(options.permute, options.seed, steps_)}) {}

void ClassifierTask::begin_pass(std::int64_t pass, std::int64_t window) {
  if (options_.shuffle) {
    reader_.restart(window, random_permutation(plan_.sequences(), options_.seed, static_cast<std::uint64_t>(pass), Purpose::shuffle));
  } else {
    reader_.restart(window);
  }
}

StepSums ClassifierTask::forward_backward(const Parameters& weights, std::int64_t step, Parameters& gradients) {
  const SequenceBatch* const batch = reader_.next();
  require(batch != nullptr, "a pass ends where its last batch was used");
  draw_classifier_masks(masks_, options_.dropout, shape_, options_.seed, static_cast<std::uint64_t>(step),
                        {lanes_.begin, lanes_.begin + batch->lanes}, steps_, tensor_options_);
  const at::Tensor own = model_.forward_backward(weights, normalised_(*batch), masks_, batch->all_lanes, gradients);
  GradientReduction(groups_, gradients).finish();
  SequenceClassifier::finish_gradients(weights, masks_, gradients);
  return {sum_over_ranks(&groups_.world, own), batch->all_lanes,
          [sequences = batch->all_lanes](const double* numbers) { return mean_of(ClassificationSums::from(numbers), sequences); }};
}

std::string ClassifierTask::description() const {
  return fmt::format("{} training sequences of {} steps, {} a step of the optimizer", plan_.sequences(), steps_, plan_.lanes());
}

ClassifierEvaluator::ClassifierEvaluator(const Ranks& ranks, const TrellisShape& shape, std::shared_ptr<const SequenceReader> sequences,
                                         const SequenceBatches& plan, std::optional<std::vector<std::int64_t>> order, at::TensorOptions options)
    : ranks_(ranks),
      sequences_(plan.sequences()),
      batches_(plan.batches()),
      lanes_(shard_range(plan.lanes(), ranks.size(), ranks.rank())),
      normalised_(sequences->description().normalisation, options),
      model_(shape, sequences->steps(), lanes_.size(), Keep::states, options),
      reader_(std::move(sequences), plan, lanes_, {.batches_ahead = 2, .step_order = std::move(order)}) {}

EvaluationResult ClassifierEvaluator::run(const Parameters& weights, const AtPause& at_pause) {
  std::array<double, ClassificationSums::kCount> sums{};
  agree(ranks_.world, [&] { reader_.restart(0); });
  const auto evaluate_batch = [&](std::int64_t n) {
    const ClassificationSums own = ClassificationSums::read(model_.evaluate(weights, normalised_(*reader_.next())));
    sums[0] += own.loss;
    sums[1] += own.correct;
    report_progress(n + 1, batches_, sequences_);
  };
  work_in_step(ranks_.world, batches_, evaluate_batch, at_pause);
  ranks_.world.all_reduce(sums, Reduction::sum);
  const StepLoss mean = mean_of(ClassificationSums::from(sums.data()), sequences_);
  return {.loss_nats = mean.loss_nats, .scored = mean.scored, .accuracy = mean.accuracy};
}

}  // namespace trellis
