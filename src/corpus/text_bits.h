// A loss told per character and per byte of the text that the tokens were made of: what compares networks whose tokens differ.
// bits a character = nats a token / ln 2 * tokens / characters, over the whole split; line ends and every blank count.
#pragma once

#include <string_view>
#include <vector>

#include "corpus/corpus_manifest.h"

namespace trellis {

struct TextBits {
  std::string_view unit;  // "character" or "byte"
  double bits = 0;        // of one
  bool operator==(const TextBits&) const = default;
};

// loss_nats: a token, the mean over the split. Without characters where the text need have none (unit byte); without anything where
// the text's sizes are unknown (corpora of manifest version 1).
std::vector<TextBits> text_bits(double loss_nats, const SplitEntry& split);

// Share of the split's tokens that are <unk>, from 0 to 1: figures are of the text with <unk> in their places.
double unknown_share(const SplitEntry& split);

}  // namespace trellis
