// Small corpora of labelled sequences for tests.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "corpus/sequence_corpus.h"
#include "tests/corpus/corpus_fixture.h"

namespace trellis::testing_support {

// Sequences as they lie in memory: pixels [n, steps, channels], labels [n].
struct Sequences {
  std::vector<std::uint8_t> pixels, labels;
};

inline std::vector<std::uint8_t> some_bytes(std::size_t count, std::uint32_t below) {
  const std::vector<std::uint32_t> ids = some_ids(count, below);
  return {ids.begin(), ids.end()};
}

inline SequenceDescription described(std::int64_t steps, std::int64_t channels, std::int64_t classes) {
  const auto all = static_cast<std::size_t>(channels);
  return {steps, channels, classes, {std::vector<double>(all, 0.1307), std::vector<double>(all, 0.3081)}};
}

// `count` sequences that look random but are the same everywhere.
inline Sequences some_sequences(std::size_t count, const SequenceDescription& description) {
  return {some_bytes(count * static_cast<std::size_t>(description.bytes()), 256),
          some_bytes(count, static_cast<std::uint32_t>(description.classes))};
}

// A corpus with these sequences as its one split.
inline SequenceManifest put_sequences(const fs::path& directory, const Sequences& sequences,
                                      const SequenceDescription& description, std::int64_t shard_sequences,
                                      const std::string& split = "train") {
  fs::create_directories(directory);
  const auto count = static_cast<std::int64_t>(sequences.labels.size());
  SequenceSplitWriter writer(directory, split, description, count, shard_sequences);
  writer.append(sequences.pixels, sequences.labels);
  SequenceManifest manifest{"test", description, {{split, {count, writer.finish()}}}};
  write_manifest(directory, manifest);
  return manifest;
}

}  // namespace trellis::testing_support
