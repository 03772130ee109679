#include "corpus/token_reader.h"

#include <algorithm>
#include <array>
#include <fmt/core.h>

#include "base/errors.h"

namespace trellis {

TokenReader::TokenReader(std::string split, std::int64_t vocabulary_size, std::size_t most_open)
    : split_(std::move(split)), files_(most_open), starts_(1, 0), vocabulary_size_(vocabulary_size) {}

void TokenReader::add(OpenShard shard) {
  files_.add(std::move(shard.file));
  offsets_.push_back(shard.offset);
  starts_.push_back(starts_.back() + shard.tokens);
}

void TokenReader::read(std::int64_t first, std::span<std::uint32_t> into) const {
  require(first >= 0 && first + static_cast<std::int64_t>(into.size()) <= tokens(),
          "tokens were asked for that the split does not have");
  const auto limit = static_cast<std::uint32_t>(vocabulary_size_);
  std::size_t index =
      static_cast<std::size_t>(std::upper_bound(starts_.begin(), starts_.end(), first) - starts_.begin()) - 1;
  for (; !into.empty(); ++index) {
    const std::int64_t local = first - starts_[index];
    const auto part =
        into.first(std::min<std::size_t>(into.size(), static_cast<std::size_t>(starts_[index + 1] - first)));
    files_.read_at(index, offsets_[index] + local * static_cast<std::int64_t>(sizeof(std::uint32_t)),
                   std::as_writable_bytes(part));
    // First the largest id alone: a loop that the compiler vectorises.
    if (std::uint32_t largest = 0;
        (std::for_each(part.begin(), part.end(), [&](std::uint32_t id) { largest = std::max(largest, id); }),
         largest >= limit)) {
      const auto bad = std::find_if(part.begin(), part.end(), [&](std::uint32_t id) { return id >= limit; });
      throw DataError(fmt::format("{}: /tokens[{}]: id {}, expected < {}", files_.path(index).filename().string(),
                                  local + (bad - part.begin()), *bad, limit),
                      files_.path(index).string(),
                      "the shard does not fit the vocabulary: make the corpus again with trellis-preprocess");
    }
    first += static_cast<std::int64_t>(part.size());
    into = into.subspan(part.size());
  }
}

void TokenReader::read(std::int64_t first, std::span<std::int64_t> into) const {
  std::array<std::uint32_t, 4096> piece;
  while (!into.empty()) {
    const std::span<std::uint32_t> narrow = std::span(piece).first(std::min(into.size(), piece.size()));
    read(first, narrow);
    std::copy(narrow.begin(), narrow.end(), into.begin());
    first += static_cast<std::int64_t>(narrow.size());
    into = into.subspan(narrow.size());
  }
}

}  // namespace trellis
