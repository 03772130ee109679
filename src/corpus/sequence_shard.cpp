#include "corpus/sequence_shard.h"

#include <algorithm>
#include <fmt/core.h>
#include <utility>

#include "base/errors.h"
#include "corpus/corpus_format.h"
#include "corpus/recorded_file.h"
#include "corpus/sequence_format.h"
#include "hdf5/flat_file.h"
#include "storage/content_hash.h"

namespace trellis {
namespace {

std::vector<FlatDataset> datasets_of(const SequenceDescription& description, std::int64_t sequences) {
  return {{"pixels", Element::u8, sequences, 0, {description.steps, description.channels}},
          {"labels", Element::u8, sequences}};
}

}  // namespace

SequenceSplitWriter::SequenceSplitWriter(std::filesystem::path directory, std::string split,
                                         SequenceDescription description, std::int64_t sequences,
                                         std::int64_t shard_sequences)
    : directory_(std::move(directory)),
      split_(std::move(split)),
      description_(std::move(description)),
      sequences_(sequences),
      shard_sequences_(shard_sequences) {
  require(shard_sequences_ >= 1 && shard_sequences_ <= kMaxSequences && sequences_ <= kMaxSequences,
          "a shard's size is out of range");
}

void SequenceSplitWriter::append(std::span<const std::uint8_t> pixels, std::span<const std::uint8_t> labels) {
  const auto bytes = static_cast<std::size_t>(description_.bytes());
  require(pixels.size() == labels.size() * bytes, "sequences and labels to write do not fit each other");
  require(static_cast<std::int64_t>(labels.size()) <= sequences_ - appended_, "more sequences than were announced");
  while (!labels.empty()) {
    if (file_.empty()) begin_shard();
    const std::size_t part = std::min(labels.size(), static_cast<std::size_t>(this_shard_ - in_shard_));
    file_.front().write_at(pixels_offset_ + in_shard_ * description_.bytes(),
                           std::as_bytes(pixels.first(part * bytes)));
    file_.front().write_at(labels_offset_ + in_shard_, std::as_bytes(labels.first(part)));
    in_shard_ += static_cast<std::int64_t>(part);
    appended_ += static_cast<std::int64_t>(part);
    pixels = pixels.subspan(part * bytes);
    labels = labels.subspan(part);
    if (in_shard_ == this_shard_) end_shard();
  }
}

std::vector<SequenceShardEntry> SequenceSplitWriter::finish() {
  require(appended_ == sequences_, "fewer sequences than were announced");
  return std::move(entries_);
}

void SequenceSplitWriter::begin_shard() {
  this_shard_ = std::min(shard_sequences_, sequences_ - appended_);
  in_shard_ = 0;
  const std::string name = shard_file_name(split_, static_cast<int>(entries_.size()));
  std::vector<FlatDataset> datasets = datasets_of(description_, this_shard_);
  create_flat_file(directory_ / name, datasets,
                   {{"format", std::string(kSequenceShardFormat)},
                    {"format_version", std::to_string(kSequencesFormatVersion)},
                    {"classes", std::to_string(description_.classes)},
                    {"mean", numbers_text(description_.normalisation.mean)},
                    {"std", numbers_text(description_.normalisation.deviation)}});
  pixels_offset_ = datasets[0].offset;
  labels_offset_ = datasets[1].offset;
  file_.push_back(File::open_to_write(directory_ / name));
}

void SequenceSplitWriter::end_shard() {
  const File& file = file_.front();
  file.sync();
  entries_.push_back({file.path().filename().string(), this_shard_, file.size(), hash_of(file)});
  file_.clear();
}

OpenSequenceShard open_sequence_shard(const std::filesystem::path& directory, const SequenceShardEntry& entry,
                                      const SequenceDescription& description, Verify verify) {
  File file = open_recorded(directory / entry.file, entry.bytes, entry.xxh3_128, verify);
  const auto refuse = [&](std::string what) {
    throw DataError(std::move(what), file.path().string(), kMakeCorpusAgain);
  };
  FlatAttributes attributes{{"format", ""}, {"format_version", ""}, {"classes", ""}, {"mean", ""}, {"std", ""}};
  const std::vector<FlatDataset> datasets = inspect_flat_file(file, datasets_of(description, 0), attributes);
  if (attributes["format"] != kSequenceShardFormat)
    refuse(fmt::format("format is '{}', expected '{}'", attributes["format"], kSequenceShardFormat));
  if (attributes["format_version"] != std::to_string(kSequencesFormatVersion))
    refuse(fmt::format("format version is '{}', this program reads {}", attributes["format_version"],
                       kSequencesFormatVersion));
  if (attributes["classes"] != std::to_string(description.classes))
    refuse(fmt::format("classes is '{}', the manifest says {}", attributes["classes"], description.classes));
  const auto expect_numbers = [&](const char* name, const std::vector<double>& expected) {
    if (numbers_from_text(attributes[name]) != expected)
      refuse(fmt::format("{} is '{}', the manifest says {}", name, attributes[name], numbers_text(expected)));
  };
  expect_numbers("mean", description.normalisation.mean);
  expect_numbers("std", description.normalisation.deviation);
  for (const FlatDataset& dataset : datasets)
    if (dataset.count != entry.sequences)
      refuse(fmt::format("/{} has {} sequences, the manifest says {}", dataset.name, dataset.count, entry.sequences));
  return {std::move(file), datasets[0].offset, datasets[1].offset, entry.sequences};
}

}  // namespace trellis
