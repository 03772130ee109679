#include "config/settings_validate.h"

#include <fmt/format.h>
#include <initializer_list>
#include <string>
#include <utility>

#include "base/errors.h"
#include "config/base_rate.h"
#include "config/setting_values.h"

namespace trellis {
namespace {

// "model.hidden (default), model.outputs (run.ini:7)"
std::string where_given(const SettingOrigins& origins, std::initializer_list<const char*> keys) {
  std::string text;
  for (const char* key : keys) {
    const auto found = origins.find(key);
    text += fmt::format("{}{} ({})", text.empty() ? "" : ", ", key, found == origins.end() ? "default" : found->second);
  }
  return text;
}

template <class T>
void expect_rising(const std::vector<T>& list, const char* key, const SettingOrigins& origins) {
  for (std::size_t i = 1; i < list.size(); ++i) {
    if (list[i] > list[i - 1]) continue;
    throw ConfigError(
        fmt::format("{} is {}, expected rising numbers: {} follows {}", key, format_value(list), list[i], list[i - 1]),
        where_given(origins, {key}), "sort the numbers and drop those given twice");
  }
}

// The one error of all checks below: what `wrong` says, where each key was given, and the way out.
[[noreturn]] void refuse(const std::string& wrong, const SettingOrigins& origins, std::initializer_list<const char*> keys,
                         const std::string& fix) {
  throw ConfigError(wrong, where_given(origins, keys), fix);
}

void validate_levels(const ModelSettings& model, const SettingOrigins& origins) {
  if (model.outputs > model.hidden) {
    refuse(fmt::format("model.outputs is {}, expected at most model.hidden, which is {}", model.outputs, model.hidden), origins,
           {"model.outputs", "model.hidden"}, "hidden counts all channels of h: make it at least outputs");
  }
  if (model.dilations.empty()) {
    refuse("model.dilations is empty, expected one dilation at least", origins, {"model.dilations"}, "set model.dilations=1");
  }
  if (model.groups > 0 && model.hidden % model.groups != 0) {
    refuse(fmt::format("model.groups is {}, expected a divisor of model.hidden, which is {}", model.groups, model.hidden), origins,
           {"model.groups", "model.hidden"}, "groups are of equal size: change one of the two");
  }
  if (model.injection_every > model.levels) {
    refuse(fmt::format("model.injection_every is {}, expected at most model.levels, which is {}", model.injection_every, model.levels),
           origins, {"model.injection_every", "model.levels"}, "lower it: with model.levels the input enters level 0 only");
  }
}

void validate_language_model(const Settings& settings, const SettingOrigins& origins) {
  const ModelSettings& model = settings.model;
  if (model.experts == 0 && model.embedding != model.outputs) {
    refuse(fmt::format("model.embedding is {}, expected model.outputs, which is {}", model.embedding, model.outputs), origins,
           {"model.embedding", "model.outputs"},
           "give both the same number: the softmax's weights are the embedding's (with model.experts they may differ)");
  }
  expect_rising(model.cutoffs, "model.cutoffs", origins);
  if (model.experts > 0 && !model.cutoffs.empty()) {
    refuse(fmt::format("model.experts is {} and model.cutoffs is {}: a mixture's softmaxes are full ones", model.experts,
                       format_value(model.cutoffs)),
           origins, {"model.experts", "model.cutoffs"}, "set model.experts=0, or model.cutoffs=");
  }
  if (settings.dropout.latent > 0 && model.experts == 0) {
    refuse(fmt::format("dropout.latent is {}, but model.experts is 0: there are no latent vectors", settings.dropout.latent), origins,
           {"dropout.latent", "model.experts"}, "set dropout.latent=0, or give experts");
  }
  const AuxiliarySettings& auxiliary = settings.auxiliary;
  if (auxiliary.weight > 0 && auxiliary.every == 0) {
    refuse(fmt::format("auxiliary.weight is {}, but auxiliary.every is 0: there is no auxiliary output", auxiliary.weight), origins,
           {"auxiliary.weight", "auxiliary.every"}, "set auxiliary.every to the levels between outputs, or auxiliary.weight=0");
  }
  if (auxiliary.every > model.levels) {
    refuse(fmt::format("auxiliary.every is {}, expected at most model.levels, which is {}", auxiliary.every, model.levels), origins,
           {"auxiliary.every", "model.levels"}, "lower auxiliary.every, or set it to 0 for no auxiliary outputs");
  }
  for (const auto& [key, value] : {std::pair{"data.permute", settings.data.permute}, std::pair{"data.shuffle", settings.data.shuffle}}) {
    if (value) {
      refuse(fmt::format("{} is true, but model.task is language_model: a text has one order", key), origins, {key, "model.task"},
             fmt::format("set {}=false", key));
    }
  }
}

// A classifier has one output, at the last step of the last level, and no vocabulary.
void validate_classifier(const Settings& settings, const SettingOrigins& origins) {
  const auto refuse_unless_zero = [&](const char* key, double value) {
    if (value == 0) return;
    refuse(fmt::format("{} is {}, but model.task is classifier, which has no such thing", key, value), origins, {key, "model.task"},
           fmt::format("set {}=0", key));
  };
  refuse_unless_zero("model.experts", settings.model.experts);
  refuse_unless_zero("auxiliary.every", settings.auxiliary.every);
  refuse_unless_zero("auxiliary.weight", settings.auxiliary.weight);
  refuse_unless_zero("train.discard", settings.train.discard);
  if (settings.train.accumulate > 1) {
    refuse(fmt::format("train.accumulate is {}, but model.task is classifier, whose steps are batches of sequences", settings.train.accumulate),
           origins, {"train.accumulate", "model.task"}, "set train.accumulate=1, and train.lanes to the sequences of a step");
  }
  refuse_unless_zero("dropout.embedding", settings.dropout.embedding);
  refuse_unless_zero("dropout.latent", settings.dropout.latent);
  refuse_unless_zero("penalty.activation", settings.penalty.activation);
  refuse_unless_zero("penalty.slowness", settings.penalty.slowness);
  if (settings.memory.recompute.kind == Recompute::Kind::levels) {
    refuse(fmt::format("memory.recompute is {}, but model.task is classifier, which keeps of every level only the steps that its last "
                       "one depends on",
                       format_value(settings.memory.recompute)),
           origins, {"memory.recompute", "model.task"}, "set memory.recompute=gates");
  }
  if (!settings.model.cutoffs.empty()) {
    refuse(fmt::format("model.cutoffs is {}, but model.task is classifier, which has no vocabulary", format_value(settings.model.cutoffs)),
           origins, {"model.cutoffs", "model.task"}, "set model.cutoffs=");
  }
}

void validate_optimizer(const Settings& settings, const SettingOrigins& origins) {
  const OptimizerSettings& optimizer = settings.optimizer;
  if (optimizer.averaging != Averaging::never && optimizer.name != OptimizerName::sgd) {
    refuse(fmt::format("optimizer.averaging is {}, but optimizer.name is {}: it is SGD that is averaged", format_value(optimizer.averaging),
                       format_value(optimizer.name)),
           origins, {"optimizer.averaging", "optimizer.name"}, "set optimizer.name=sgd, or optimizer.averaging=never");
  }
  if (optimizer.averaging == Averaging::plateau && settings.schedule.plateau == 0) {
    refuse("optimizer.averaging is plateau, but schedule.plateau is 0: there will be none", origins,
           {"optimizer.averaging", "schedule.plateau"}, "set schedule.plateau to the validations that it looks back");
  }
}

void validate_run(const Settings& settings, const SettingOrigins& origins) {
  const TrainSettings& train = settings.train;
  if (train.discard >= train.window) {
    throw ConfigError(
        fmt::format("train.discard is {}, expected less than train.window, which is {}", train.discard, train.window),
        where_given(origins, {"train.discard", "train.window"}),
        "lower train.discard or raise train.window: a window needs steps that carry loss");
  }
  if (settings.valid.window > 0 && train.discard >= settings.valid.window) {
    throw ConfigError(fmt::format("train.discard is {}, expected less than valid.window, which is {}", train.discard,
                                  settings.valid.window),
                      where_given(origins, {"train.discard", "valid.window"}),
                      "raise valid.window, or set it to 0 for the window of training");
  }
  if (train.steps == 0 && train.epochs == 0 && train.patience == 0 && train.seconds == 0) {
    throw ConfigError("train.steps, train.epochs, train.patience and train.seconds are all 0: the run would never end",
                      where_given(origins, {"train.steps", "train.epochs", "train.patience", "train.seconds"}),
                      "set one of them, for instance train.epochs=10");
  }
}

void validate_schedule(const Settings& settings, const SettingOrigins& origins) {
  const ScheduleSettings& schedule = settings.schedule;
  expect_rising(schedule.milestones, "schedule.milestones", origins);
  if (schedule.decay != RateDecay::none && schedule.decay_steps == 0) {
    refuse(fmt::format("schedule.decay is {}, but schedule.decay_steps is 0", format_value(schedule.decay)), origins,
           {"schedule.decay", "schedule.decay_steps"},
           schedule.decay == RateDecay::cosine ? "set schedule.decay_steps to the steps from the warm-up's end to the run's end"
                                               : "set schedule.decay_steps, for instance to the steps of schedule.warmup");
  }
  if (schedule.decay == RateDecay::none && schedule.decay_steps > 0) {
    refuse(fmt::format("schedule.decay_steps is {}, but schedule.decay is none", schedule.decay_steps), origins,
           {"schedule.decay_steps", "schedule.decay"}, "set schedule.decay=cosine or inverse_square_root, or schedule.decay_steps=0");
  }
  if (schedule.batch_rule != BatchRule::none && schedule.reference_batch == 0) {
    refuse(fmt::format("schedule.batch_rule is {}, but schedule.reference_batch is 0", format_value(schedule.batch_rule)), origins,
           {"schedule.batch_rule", "schedule.reference_batch"},
           "set schedule.reference_batch to the size of a step that optimizer.learning_rate was tuned for: lanes times (window - discard)");
  }
  if (schedule.batch_rule == BatchRule::none && schedule.reference_batch > 0) {
    refuse(fmt::format("schedule.reference_batch is {}, but schedule.batch_rule is none", schedule.reference_batch), origins,
           {"schedule.reference_batch", "schedule.batch_rule"},
           "set schedule.batch_rule=linear or square_root, or schedule.reference_batch=0");
  }
  if (const double base = base_rate(settings); schedule.floor > base) {
    const bool scaled = schedule.batch_rule != BatchRule::none;
    refuse(fmt::format("schedule.floor is {}, expected at most optimizer.learning_rate, which is {}{}", schedule.floor,
                       settings.optimizer.learning_rate, scaled ? fmt::format(" and {} under schedule.batch_rule", base) : ""),
           origins, {"schedule.floor", "optimizer.learning_rate"}, "lower the floor: the rate falls towards it from the base rate");
  }
}

void validate_mesh(const Settings& settings, const SettingOrigins& origins) {
  const MeshSettings& mesh = settings.mesh;
  if (mesh.pipeline > settings.model.levels) {
    refuse(fmt::format("mesh.pipeline is {}, expected at most model.levels, which is {}", mesh.pipeline, settings.model.levels), origins,
           {"mesh.pipeline", "model.levels"}, "a stage needs a level: lower mesh.pipeline");
  }
  if (settings.model.task != TaskKind::classifier) return;
  if (mesh.pipeline > 1) {
    refuse(fmt::format("mesh.pipeline is {}, but model.task is classifier, which computes only what its last step depends on: no chunk of "
                       "time could flow through stages", mesh.pipeline),
           origins, {"mesh.pipeline", "model.task"}, "set mesh.pipeline=1 and let the ranks be replicas");
  }
  if (mesh.vocabulary != VocabularyLayout{}) {
    refuse(fmt::format("mesh.vocabulary is {}, but model.task is classifier, which has no vocabulary", format_value(mesh.vocabulary)), origins,
           {"mesh.vocabulary", "model.task"}, "set mesh.vocabulary=replicated");
  }
}

}  // namespace

void validate(const Settings& settings, const SettingOrigins& origins) {
  validate_levels(settings.model, origins);
  if (settings.model.task == TaskKind::classifier) {
    validate_classifier(settings, origins);
  } else {
    validate_language_model(settings, origins);
  }
  validate_optimizer(settings, origins);
  validate_run(settings, origins);
  validate_schedule(settings, origins);
  validate_mesh(settings, origins);
}

}  // namespace trellis
