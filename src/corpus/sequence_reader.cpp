#include "corpus/sequence_reader.h"

#include <algorithm>
#include <fmt/core.h>
#include <utility>

#include "base/errors.h"

namespace trellis {

SequenceReader::SequenceReader(std::string split, SequenceDescription description, std::size_t most_open)
    : split_(std::move(split)), files_(most_open), starts_(1, 0), description_(std::move(description)) {}

void SequenceReader::add(OpenSequenceShard shard) {
  files_.add(std::move(shard.file));
  offsets_.push_back({shard.pixels_offset, shard.labels_offset});
  starts_.push_back(starts_.back() + shard.sequences);
}

void SequenceReader::read(std::int64_t first, std::span<std::uint8_t> pixels, std::span<std::uint8_t> labels) const {
  const auto bytes = static_cast<std::size_t>(description_.bytes());
  require(first >= 0 && first + static_cast<std::int64_t>(labels.size()) <= sequences(),
          "sequences were asked for that the split does not have");
  require(pixels.size() == labels.size() * bytes, "the places for pixels and labels do not fit each other");
  std::size_t index =
      static_cast<std::size_t>(std::upper_bound(starts_.begin(), starts_.end(), first) - starts_.begin()) - 1;
  for (; !labels.empty(); ++index) {
    const std::int64_t local = first - starts_[index];
    const std::size_t part = std::min(labels.size(), static_cast<std::size_t>(starts_[index + 1] - first));
    files_.read_at(index, offsets_[index].pixels + local * description_.bytes(),
                   std::as_writable_bytes(pixels.first(part * bytes)));
    const auto part_labels = labels.first(part);
    files_.read_at(index, offsets_[index].labels + local, std::as_writable_bytes(part_labels));
    const auto bad = std::find_if(part_labels.begin(), part_labels.end(),
                                  [&](std::uint8_t label) { return label >= description_.classes; });
    if (bad != part_labels.end())
      throw DataError(fmt::format("{}: /labels[{}]: label {}, expected < {}", files_.path(index).filename().string(),
                                  local + (bad - part_labels.begin()), *bad, description_.classes),
                      files_.path(index).string(),
                      "the shard does not fit the manifest: make the corpus again with trellis-preprocess");
    first += static_cast<std::int64_t>(part);
    pixels = pixels.subspan(part * bytes);
    labels = labels.subspan(part);
  }
}

}  // namespace trellis
