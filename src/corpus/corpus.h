// A corpus directory, opened: what it holds, and its splits as token streams. The door for everyone who reads a corpus.
//
//   const Corpus corpus = Corpus::open("data/wt103");
//   const auto train = corpus.open_split("train");
//   train->read(0, ids);                            // from any thread
//
// Nothing here calls HDF5, and nothing of a corpus is believed before it has been checked (hdf5/structure.h).
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "corpus/corpus_manifest.h"
#include "corpus/token_reader.h"
#include "corpus/vocabulary.h"

namespace trellis {

class Corpus {
 public:
  // Reads the manifest and checks size and hash of the vocabulary's file. Throws MissingInputError (66) when directory,
  // manifest or vocabulary are not there, DataError (65) when they are damaged.
  static Corpus open(const std::filesystem::path& directory);

  const std::filesystem::path& directory() const { return directory_; }
  const Manifest& manifest() const { return manifest_; }
  Unit unit() const { return manifest_.unit; }
  std::int64_t vocabulary_size() const { return manifest_.vocabulary.words; }
  // Vocabulary::hash(): equal for two corpora exactly if their ids mean the same tokens.
  const std::string& vocabulary_hash() const { return manifest_.vocabulary.hash; }

  bool has_split(std::string_view name) const;
  // Tokens of a split by the manifest. MissingInputError for a split that the corpus does not have, as in open_split.
  std::int64_t tokens(std::string_view split) const;

  // Looks at every shard of a split; not all are held open. Verify::hash reads each once: let one rank of a machine do so, the others take
  // Verify::structure.
  std::shared_ptr<const TokenReader> open_split(std::string_view name, Verify verify = Verify::hash) const;

  Vocabulary load_vocabulary() const;  // its hash is checked, as by open

 private:
  Corpus(std::filesystem::path directory, Manifest manifest)
      : directory_(std::move(directory)), manifest_(std::move(manifest)) {}
  const SplitEntry& split(std::string_view name) const;

  std::filesystem::path directory_;
  Manifest manifest_;
};

// The vocabulary of a corpus directory, or in a file of its own. A file with a corpus's manifest beside it that names it
// must be the one that the manifest recorded, as if the directory had been given. Throws DataError, MissingInputError.
Vocabulary vocabulary_at(const std::filesystem::path& path);

}  // namespace trellis
