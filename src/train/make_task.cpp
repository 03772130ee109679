#include "train/make_task.h"

#include <algorithm>

#include "mpi/agreement.h"
#include "train/classifier_task.h"
#include "train/from_settings.h"
#include "train/language_model_task.h"
#include "train/shard_verification.h"

namespace trellis {
namespace {

std::string place_of(const Dataset& data, const std::string& split) { return "split '" + split + "' of " + data.directory().string(); }

}  // namespace

std::unique_ptr<Task> make_training_task(const Ranks& ranks, const MeshGroups& groups, const Dataset& data, const Settings& settings, const TrellisShape& shape,
                                         std::int64_t chunks, at::TensorOptions options) {
  const Verify verify = settings.data.verify ? verification_of(ranks.world, data, "train") : Verify::structure;
  return agree(ranks.world, [&]() -> std::unique_ptr<Task> {
    if (!data.is_text()) {
      const auto sequences = data.sequences().open_split("train", verify);
      const SequenceBatches plan(sequences->sequences(), settings.train.lanes, place_of(data, "train"));
      return std::make_unique<ClassifierTask>(ranks, groups, shape, sequences, plan,
                                              ClassifierTask::Options{.dropout = dropout_from(settings),
                                                                      .seed = settings.train.seed,
                                                                      .keep = keep_from(settings),
                                                                      .activations = activation_type_from(settings),
                                                                      .permute = settings.data.permute,
                                                                      .shuffle = settings.data.shuffle,
                                                                      .batches_ahead = settings.data.prefetch},
                                              options);
    }
    const auto tokens = data.text().open_split("train", verify);
    const WindowPlan plan(tokens->tokens(), settings.train.lanes, settings.train.window, settings.train.discard, WindowUse::training,
                          place_of(data, "train"));
    return std::make_unique<LanguageModelTask>(ranks, groups, shape, tokens, plan,
                                               LanguageModelTask::Options{.objective = objective_from(settings),
                                                                          .dropout = dropout_from(settings),
                                                                          .seed = settings.train.seed,
                                                                          .keep = keep_from(settings),
                                                                          .activations = activation_type_from(settings),
                                                                          .chunks = chunks,
                                                                          .lane_groups = settings.mesh.lane_groups,
                                                                          .accumulate = settings.train.accumulate,
                                                                          .batches_ahead = settings.data.prefetch},
                                               options);
  });
}

EvaluationCut validation_cut(const Settings& settings) {
  return {.lanes = settings.valid.lanes,
          .window = settings.valid.window > 0 ? settings.valid.window : settings.train.window,
          .discard = settings.train.discard};
}

std::unique_ptr<LanguageModelEvaluator> make_text_evaluator(const Ranks& ranks, const MeshGroups& groups, const Dataset& data, const std::string& split,
                                                            const EvaluationCut& cut, const TrellisShape& shape, at::TensorOptions options) {
  const Verify verify = verification_of(ranks.world, data, split);
  return agree(ranks.world, [&] {
    const auto tokens = data.text().open_split(split, verify);
    // the first token is predicted by nothing
    const std::int64_t read = cut.limit ? std::min(tokens->tokens(), *cut.limit + 1) : tokens->tokens();
    const WindowPlan plan(read, cut.lanes, cut.window, cut.discard, cut.like_scripts ? WindowUse::training : WindowUse::evaluation,
                          place_of(data, split), cut.context);
    return std::make_unique<LanguageModelEvaluator>(ranks, groups, tokens, plan, shape, options);
  });
}

std::unique_ptr<Evaluator> make_evaluator(const Ranks& ranks, const MeshGroups& groups, const Dataset& data, const std::string& split, const EvaluationCut& cut,
                                          const Settings& settings, const TrellisShape& shape, at::TensorOptions options) {
  if (data.is_text()) return make_text_evaluator(ranks, groups, data, split, cut, shape, options);
  const Verify verify = verification_of(ranks.world, data, split);
  return agree(ranks.world, [&]() -> std::unique_ptr<Evaluator> {
    const auto sequences = data.sequences().open_split(split, verify);
    const std::int64_t read = cut.limit ? std::min(sequences->sequences(), *cut.limit) : sequences->sequences();
    const SequenceBatches plan(read, cut.lanes, place_of(data, split));
    return std::make_unique<ClassifierEvaluator>(ranks, shape, sequences, plan,
                                                 step_order(settings.data.permute, settings.train.seed, sequences->steps()), options);
  });
}

}  // namespace trellis
