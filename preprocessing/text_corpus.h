// From text files to a corpus directory (docs/formats.md). The same input and options give the same bytes, whatever the
// number of threads. Memory: the vocabulary and a few blocks, whatever the text's size.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "corpus/corpus_manifest.h"
#include "preprocessing/reading_progress.h"

namespace trellis {

struct TextCorpusOptions {
  std::array<std::vector<std::filesystem::path>, kSplitNames.size()>
      files;  // by split, in order of kSplitNames; concatenated
  Unit unit = Unit::word;
  Lines lines = Lines::end_with_eos;
  std::int64_t min_count = 1;
  std::optional<std::filesystem::path> vocabulary;  // of another corpus: its directory or its vocabulary.h5
  std::int64_t shard_tokens = 16 << 20;
  int threads = 1;
  std::filesystem::path output;
};

// Builds the corpus and gives it its name in one step; whatever goes wrong, nothing is left behind. Throws the Errors
// of docs/formats.md, and Interrupted. Progress counts two passes over everything.
Manifest build_text_corpus(const TextCorpusOptions& options, const std::function<void(const ReadingProgress&)>& on_progress);

}  // namespace trellis
