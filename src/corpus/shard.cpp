#include "corpus/shard.h"

#include <algorithm>
#include <bit>
#include <fmt/core.h>

#include "base/errors.h"
#include "corpus/corpus_format.h"
#include "corpus/recorded_file.h"
#include "hdf5/flat_file.h"
#include "storage/content_hash.h"

namespace trellis {
namespace {

static_assert(std::endian::native == std::endian::little, "corpus files are read and written as they lie in memory");
constexpr std::size_t kBufferTokens = 256 << 10;  // 1 MiB

}  // namespace

SplitWriter::SplitWriter(std::filesystem::path directory, std::string split, std::int64_t tokens,
                         std::int64_t shard_tokens, std::string vocabulary_hash)
    : directory_(std::move(directory)),
      split_(std::move(split)),
      tokens_(tokens),
      shard_tokens_(shard_tokens),
      vocabulary_hash_(std::move(vocabulary_hash)) {
  require(shard_tokens_ >= 1 && shard_tokens_ <= kMaxShardTokens, "a shard's size is out of range");
  buffer_.reserve(kBufferTokens);
}

void SplitWriter::append(std::span<const std::uint32_t> ids) {
  if (appended_ + static_cast<std::int64_t>(ids.size()) > tokens_)
    throw DataError(
        fmt::format("the text grew while it was being read: more than the {} tokens counted before", tokens_), split_,
        "leave the input files alone and run again");
  while (!ids.empty()) {
    if (file_.empty()) begin_shard();
    const std::int64_t room =
        std::min<std::int64_t>(this_shard_ - in_shard_, static_cast<std::int64_t>(kBufferTokens - buffer_.size()));
    const auto part = ids.first(std::min<std::size_t>(ids.size(), static_cast<std::size_t>(room)));
    buffer_.insert(buffer_.end(), part.begin(), part.end());
    in_shard_ += static_cast<std::int64_t>(part.size());
    appended_ += static_cast<std::int64_t>(part.size());
    ids = ids.subspan(part.size());
    if (buffer_.size() == kBufferTokens) flush();
    if (in_shard_ == this_shard_) end_shard();
  }
}

std::vector<ShardEntry> SplitWriter::finish() {
  if (appended_ != tokens_)
    throw DataError(
        fmt::format("the text changed while it was being read: {} tokens, counted {} before", appended_, tokens_),
        split_, "leave the input files alone and run again");
  return std::move(entries_);
}

void SplitWriter::begin_shard() {
  this_shard_ = std::min(shard_tokens_, tokens_ - appended_);
  in_shard_ = 0;
  const std::string name = shard_file_name(split_, static_cast<int>(entries_.size()));
  std::vector<FlatDataset> datasets{{"tokens", Element::u32, this_shard_}};
  create_flat_file(directory_ / name, datasets,
                   {{"format", std::string(kShardFormat)},
                    {"format_version", std::to_string(kCorpusFormatVersion)},
                    {"vocabulary_hash", vocabulary_hash_}});
  offset_ = datasets[0].offset;
  file_.push_back(File::open_to_write(directory_ / name));
}

void SplitWriter::flush() {
  file_.front().write_at(offset_, std::as_bytes(std::span(buffer_)));
  offset_ += static_cast<std::int64_t>(buffer_.size() * sizeof(std::uint32_t));
  buffer_.clear();
}

void SplitWriter::end_shard() {
  flush();
  const File& file = file_.front();
  file.sync();
  entries_.push_back({file.path().filename().string(), this_shard_, file.size(), hash_of(file)});
  file_.clear();
}

OpenShard open_shard(const std::filesystem::path& directory, const ShardEntry& entry,
                     const std::string& vocabulary_hash, Verify verify) {
  File file = open_recorded(directory / entry.file, entry.bytes, entry.xxh3_128, verify);
  const auto refuse = [&](std::string what) {
    throw DataError(std::move(what), file.path().string(), kMakeCorpusAgain);
  };
  FlatAttributes attributes{{"format", ""}, {"format_version", ""}, {"vocabulary_hash", ""}};
  const std::vector<FlatDataset> datasets = inspect_flat_file(file, {{"tokens", Element::u32}}, attributes);
  if (attributes["format"] != kShardFormat)
    refuse(fmt::format("format is '{}', expected '{}'", attributes["format"], kShardFormat));
  if (attributes["format_version"] != std::to_string(kCorpusFormatVersion))
    refuse(fmt::format("format version is '{}', this program reads {}", attributes["format_version"],
                       kCorpusFormatVersion));
  if (attributes["vocabulary_hash"] != vocabulary_hash)
    refuse(fmt::format("was made with vocabulary {}, the manifest says {}", attributes["vocabulary_hash"],
                       vocabulary_hash));
  if (datasets[0].count != entry.tokens)
    refuse(fmt::format("/tokens has {} elements, the manifest says {}", datasets[0].count, entry.tokens));
  return {std::move(file), datasets[0].offset, datasets[0].count};
}

}  // namespace trellis
