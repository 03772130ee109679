#include "config/settings_validate.h"

#include <fmt/format.h>
#include <initializer_list>
#include <string>

#include "base/errors.h"
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

void validate_model(const ModelSettings& model, const AuxiliarySettings& auxiliary, const SettingOrigins& origins) {
  if (model.outputs > model.hidden) {
    throw ConfigError(
        fmt::format("model.outputs is {}, expected at most model.hidden, which is {}", model.outputs, model.hidden),
        where_given(origins, {"model.outputs", "model.hidden"}),
        "hidden counts all channels of h: make it at least outputs");
  }
  if (model.embedding != model.outputs) {
    throw ConfigError(
        fmt::format("model.embedding is {}, expected model.outputs, which is {}", model.embedding, model.outputs),
        where_given(origins, {"model.embedding", "model.outputs"}),
        "give both the same number: the softmax's weights are the embedding's");
  }
  if (model.dilations.empty()) {
    throw ConfigError("model.dilations is empty, expected one dilation at least",
                      where_given(origins, {"model.dilations"}), "set model.dilations=1");
  }
  expect_rising(model.cutoffs, "model.cutoffs", origins);
  if (auxiliary.weight > 0 && auxiliary.every == 0) {
    throw ConfigError(
        fmt::format("auxiliary.weight is {}, but auxiliary.every is 0: there is no auxiliary output", auxiliary.weight),
        where_given(origins, {"auxiliary.weight", "auxiliary.every"}),
        "set auxiliary.every to the levels between outputs, or auxiliary.weight=0");
  }
  if (auxiliary.every > model.levels) {
    throw ConfigError(
        fmt::format("auxiliary.every is {}, expected at most model.levels, which is {}", auxiliary.every, model.levels),
        where_given(origins, {"auxiliary.every", "model.levels"}),
        "lower auxiliary.every, or set it to 0 for no auxiliary outputs");
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
  expect_rising(settings.schedule.milestones, "schedule.milestones", origins);
  if (settings.schedule.floor > settings.optimizer.learning_rate) {
    throw ConfigError(fmt::format("schedule.floor is {}, expected at most optimizer.learning_rate, which is {}",
                                  settings.schedule.floor, settings.optimizer.learning_rate),
                      where_given(origins, {"schedule.floor", "optimizer.learning_rate"}),
                      "lower the floor: the rate falls towards it from the base rate");
  }
}

}  // namespace

void validate(const Settings& settings, const SettingOrigins& origins) {
  validate_model(settings.model, settings.auxiliary, origins);
  validate_run(settings, origins);
  validate_schedule(settings, origins);
}

}  // namespace trellis
