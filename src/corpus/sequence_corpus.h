// A directory of labelled sequences, opened: what it holds, and its splits. The door for everyone who reads one.
//
//   const SequenceCorpus corpus = SequenceCorpus::open("data/mnist");
//   const auto train = corpus.open_split("train");
//   train->read(0, pixels, labels);                 // from any thread
//
// Nothing here calls HDF5, and nothing of a corpus is believed before it has been checked (hdf5/structure.h).
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string_view>
#include <utility>

#include "base/verify.h"
#include "corpus/sequence_manifest.h"
#include "corpus/sequence_reader.h"

namespace trellis {

class SequenceCorpus {
 public:
  // Reads the manifest. Throws MissingInputError (66) when directory or manifest are not there, DataError (65) when the
  // manifest is damaged or that of a text corpus (corpus/corpus_kind.h tells them apart beforehand).
  static SequenceCorpus open(const std::filesystem::path& directory);

  const std::filesystem::path& directory() const { return directory_; }
  const SequenceManifest& manifest() const { return manifest_; }
  const SequenceDescription& description() const { return manifest_.description; }
  std::int64_t steps() const { return description().steps; }
  std::int64_t channels() const { return description().channels; }
  std::int64_t classes() const { return description().classes; }
  const Normalisation& normalisation() const { return description().normalisation; }

  bool has_split(std::string_view name) const;
  // Sequences of a split by the manifest. MissingInputError for a split that the corpus does not have, as in
  // open_split.
  std::int64_t sequences(std::string_view split) const;

  // Opens every shard of a split. Verify::hash reads each once: let one rank of a machine do so, the others take
  // Verify::structure.
  std::shared_ptr<const SequenceReader> open_split(std::string_view name, Verify verify = Verify::hash) const;

 private:
  SequenceCorpus(std::filesystem::path directory, SequenceManifest manifest)
      : directory_(std::move(directory)), manifest_(std::move(manifest)) {}
  const SequenceSplitEntry& split(std::string_view name) const;

  std::filesystem::path directory_;
  SequenceManifest manifest_;
};

}  // namespace trellis
