// What makes a corpus doubtful that is in perfect order: figures on it would be good and mean nothing. Judged by its counts alone.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "corpus/corpus_manifest.h"

namespace trellis {

// What is doubtful, with its figures, and what to do about it: one sentence each.
using TextWarnings = std::vector<std::string>;

// Of the corpus itself: next to no vocabulary, tokens that are hardly words, next to no text, much of it <unk>.
TextWarnings text_warnings(const Manifest& manifest);

// Of the split 'train' or 'valid' that a run cuts into so many lanes with windows of so many steps: lanes that are over before
// their first window is.
TextWarnings lane_warnings(std::string_view split, std::int64_t tokens, std::int64_t lanes, std::int64_t window);

}  // namespace trellis
