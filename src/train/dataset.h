// The data of a run, opened: a text or labelled sequences, and what of it a network depends on.
#pragma once

#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "config/settings.h"
#include "corpus/corpus.h"
#include "corpus/sequence_corpus.h"

namespace trellis {

// Whether an identity of a checkpoint tells what the splits held; those of older programs do not.
bool tells_splits(const nlohmann::json& identity);

class Dataset {
 public:
  // Opens a corpus directory of either kind. Throws MissingInputError (66), DataError (65). Calls HDF5 not.
  static Dataset open(const std::filesystem::path& directory);

  const std::filesystem::path& directory() const { return directory_; }
  bool is_text() const { return std::holds_alternative<Corpus>(corpus_); }
  const Corpus& text() const { return std::get<Corpus>(corpus_); }
  const SequenceCorpus& sequences() const { return std::get<SequenceCorpus>(corpus_); }
  bool has_split(std::string_view name) const;
  // Words of a text; 0 for sequences, which have no vocabulary.
  std::int64_t vocabulary_size() const { return is_text() ? text().vocabulary_size() : 0; }
  // For checkpoints: what a trained network takes for granted, which is the vocabulary, or what a sequence is; and under "splits" the
  // hash of what each split holds.
  nlohmann::json identity() const;
  // "word", "char", "byte", "sequence": what is scored.
  std::string_view unit() const;

  // What is doubtful about training on this (corpus/text_warnings.h).
  std::vector<std::string> warnings(const Settings& settings) const;

  // Throws ConfigError unless this is data for the task of these settings, and of its sizes.
  void expect_settings(const Settings& settings) const;
  // Throws DataError unless a network that was trained on data of identity `trained` can use this, whatever the splits hold.
  void expect_identity(const nlohmann::json& trained) const;
  // Throws DataError unless a run on data of identity `trained` can go on with this: its training split must be the same, and its
  // validation split, if it had one, or its best loss would be compared with that of another text. Says nothing of identities that
  // do not tell what the splits held (tells_splits).
  void expect_run_goes_on(const nlohmann::json& trained) const;

 private:
  Dataset(std::filesystem::path directory, std::variant<Corpus, SequenceCorpus> corpus)
      : directory_(std::move(directory)), corpus_(std::move(corpus)) {}

  std::filesystem::path directory_;
  std::variant<Corpus, SequenceCorpus> corpus_;
};

}  // namespace trellis
