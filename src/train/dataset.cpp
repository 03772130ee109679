#include "train/dataset.h"

#include <fmt/core.h>

#include "base/errors.h"
#include "corpus/corpus_kind.h"
#include "corpus/split_hash.h"
#include "corpus/text_warnings.h"

namespace trellis {

using nlohmann::json;

Dataset Dataset::open(const std::filesystem::path& directory) {
  switch (corpus_kind(directory)) {
    case CorpusKind::text: return {directory, Corpus::open(directory)};
    case CorpusKind::sequences: break;
  }
  return {directory, SequenceCorpus::open(directory)};
}

bool Dataset::has_split(std::string_view name) const { return is_text() ? text().has_split(name) : sequences().has_split(name); }

namespace {

std::string in_words(const json& identity) {
  if (identity.value("kind", "") == "text") return fmt::format("a text of {} words", identity.value("words", json()).dump());
  if (identity.value("kind", "") != "sequences") return "something unknown: " + identity.dump();
  return fmt::format("sequences of {} steps, {} channel(s), {} classes, mean {}, deviation {}", identity.value("steps", json()).dump(),
                     identity.value("channels", json()).dump(), identity.value("classes", json()).dump(), identity.value("mean", json()).dump(),
                     identity.value("deviation", json()).dump());
}

template <class Splits>
json hashes_of(const Splits& splits) {
  json hashes = json::object();
  for (const auto& [name, split] : splits) hashes[name] = split_hash(split);
  return hashes;
}

// What a network takes for granted.
json without_splits(json identity) {
  identity.erase("splits");
  return identity;
}

}  // namespace

bool tells_splits(const json& identity) { return identity.contains("splits"); }

json Dataset::identity() const {
  if (is_text()) {
    return {{"kind", "text"}, {"words", text().vocabulary_size()}, {"hash", text().vocabulary_hash()}, {"splits", hashes_of(text().manifest().splits)}};
  }
  const SequenceDescription& each = sequences().description();
  return {{"kind", "sequences"},
          {"steps", each.steps},
          {"channels", each.channels},
          {"classes", each.classes},
          {"mean", each.normalisation.mean},
          {"deviation", each.normalisation.deviation},
          {"splits", hashes_of(sequences().manifest().splits)}};
}

std::string_view Dataset::unit() const { return is_text() ? unit_name(text().unit()) : "sequence"; }

std::vector<std::string> Dataset::warnings(const Settings& settings) const {
  if (!is_text()) return {};
  TextWarnings warnings = text_warnings(text().manifest());
  const auto add_lanes = [&](const char* split, std::int64_t lanes, std::int64_t window) {
    if (!has_split(split)) return;
    const TextWarnings of_lanes = lane_warnings(split, text().tokens(split), lanes, window);
    warnings.insert(warnings.end(), of_lanes.begin(), of_lanes.end());
  };
  add_lanes("train", settings.train.lanes, settings.train.window);
  add_lanes("valid", settings.valid.lanes, settings.valid.window > 0 ? settings.valid.window : settings.train.window);
  return warnings;
}

void Dataset::expect_settings(const Settings& settings) const {
  const bool classifier = settings.model.task == TaskKind::classifier;
  if (classifier == is_text()) {
    throw ConfigError(fmt::format("model.task is {}, but the corpus holds {}", classifier ? "classifier" : "language_model",
                                  is_text() ? "a text" : "labelled sequences"),
                      directory_.string(), "give the data of this task, or a configuration for this data");
  }
  if (!classifier) return;
  const SequenceDescription& each = sequences().description();
  const auto expect = [&](const char* key, std::int64_t value, const char* what, std::int64_t has) {
    if (value == has) return;
    throw ConfigError(fmt::format("{} is {}, but the corpus has {} {}", key, value, has, what), directory_.string(),
                      fmt::format("set {}={}", key, has));
  };
  expect("model.embedding", settings.model.embedding, "channels a step", each.channels);
  expect("model.outputs", settings.model.outputs, "classes", each.classes);
  expect("train.window", settings.train.window, "steps a sequence", each.steps);
  if (settings.valid.window > 0) expect("valid.window", settings.valid.window, "steps a sequence", each.steps);
}

void Dataset::expect_identity(const json& trained) const {
  const json own = identity();
  if (without_splits(own) == without_splits(trained)) return;
  const bool texts = is_text() && trained.value("kind", "") == "text";
  throw DataError(texts ? fmt::format("the corpus's vocabulary ({} words, hash {}) is not the one that the network was trained with ({} words, hash {})",
                                      own.at("words").dump(), own.at("hash").get<std::string>(), trained.value("words", json()).dump(),
                                      trained.value("hash", ""))
                        : fmt::format("the corpus holds {}, the network was trained on {}", in_words(own), in_words(trained)),
                  directory_.string(),
                  texts ? "give the corpus that the network was trained on, or preprocess with --vocabulary of that corpus"
                        : "give the corpus that the network was trained on, or one that was preprocessed alike");
}

void Dataset::expect_run_goes_on(const json& trained) const {
  if (!tells_splits(trained)) return;
  const json now = identity().at("splits"), then = trained.at("splits");
  const auto expect_same = [&](const char* name, const char* otherwise) {
    const std::string before = then.value(name, "none"), hash = now.value(name, "none");
    if (before == hash) return;
    throw DataError(fmt::format("the corpus's split '{}' is not the one of the run: hash {} in the checkpoint, {} here; {}", name, before, hash, otherwise),
                    directory_.string(),
                    "give the corpus that the run was started with, or begin a new run on this one, with --init-from if it is to start with these weights");
  };
  expect_same("train", "the run would go on in another text, at a place that means nothing there");
  if (then.contains("valid")) expect_same("valid", "the best loss so far and the next ones would be of two different texts");
}

}  // namespace trellis
