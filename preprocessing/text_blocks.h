// Text files cut into blocks that can be tokenised independently, in any order: no token lies across two blocks.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <vector>

#include "corpus/corpus_format.h"
#include "corpus/tokenize.h"
#include "storage/file.h"

namespace trellis {

// A piece of a file's text.
struct TextBlock : TextPiece {
  const std::filesystem::path* path = nullptr;
  std::int64_t offset = 0;  // of text[0] in the file
};

// An input file as it was when it was first looked at. Text is read twice: what changes in between cannot be trusted.
struct TextFile {
  std::filesystem::path path;
  std::int64_t bytes = 0, modified_ns = 0;
};

// Looks at a file and its beginning. Throws MissingInputError when it is not there or cannot be opened, DataError when
// it is no regular file, empty, or no text by its first bytes (preprocessing/file_kind.h).
TextFile look_at(const std::filesystem::path& path, Unit unit);

// Calls `work` for every block of `files`, in as many threads, then `finish` for each in the text's order, one at a
// time. Both get the block and the number of the thread, below `threads`. What work throws is thrown here, the first in
// the text's order. A byte order mark at the start of a file is left out unless unit is byte. Throws DataError for a
// file that changes meanwhile, or that has a word of more than kMaxWordBytes. Stops at a request
// (base/stop_request.h).
void for_each_block(const std::vector<TextFile>& files, Unit unit, int threads,
                    const std::function<void(const TextBlock&, int thread)>& work,
                    const std::function<void(const TextBlock&, int thread)>& finish);

// Number of the line that holds byte `offset` of a file, from 1; for error messages.
std::int64_t line_of(const std::filesystem::path& path, std::int64_t offset);

}  // namespace trellis
