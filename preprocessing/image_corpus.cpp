#include "preprocessing/image_corpus.h"

#include <algorithm>
#include <fmt/core.h>
#include <memory>
#include <utility>

#include "base/errors.h"
#include "base/stop_request.h"
#include "base/version.h"
#include "corpus/sequence_format.h"
#include "plan/shard_range.h"
#include "preprocessing/cifar_images.h"
#include "preprocessing/idx_images.h"
#include "storage/atomic_directory.h"

namespace trellis {
namespace {

constexpr std::size_t kTrain = 0, kValid = 1;
constexpr std::int64_t kBlockBytes = 1 << 20, kShardBytes = 64 << 20;

// The images of one split's files, one file after the other.
using ImageList = std::vector<std::unique_ptr<const LabelledImages>>;

std::int64_t count_of(const ImageList& images) {
  std::int64_t count = 0;
  for (const auto& file : images) count += file->count();
  return count;
}

class Builder {
 public:
  Builder(const ImageCorpusOptions& options, const std::function<void(const ReadingProgress&)>& on_progress)
      : options_(options), on_progress_(on_progress), directory_(options.output) {}

  SequenceManifest run() {
    // Every input is looked at before any is read: a wrong name is not found after a while.
    for (std::size_t split = 0; split < kSplitNames.size(); ++split)
      for (const ImageFiles& files : options_.files[split]) add(split, files);
    SequenceManifest manifest{fmt::format("trellis-preprocess {}", kVersion), described(), {}};
    for (std::size_t split = 0; split < kSplitNames.size(); ++split) {
      if (count_of(images_[split]) > kMaxSequences)
        throw DataError(
            fmt::format("the split has {} images, at most {} are read", count_of(images_[split]), kMaxSequences),
            std::string(kSplitNames[split]), "");
      progress_.all_bytes += count_of(images_[split]) * shape_->bytes();
    }
    const std::int64_t train = count_of(images_[kTrain]), kept = train - options_.hold_out;
    if (options_.hold_out > 0 && kept < 1)
      throw UsageError(fmt::format("--hold-out is {}, but there are only {} training images", options_.hold_out, train),
                       "command line", "hold out fewer, so that some are left to train on");
    const auto write_split = [&](std::size_t split, const ImageList& images, Range range) {
      if (!range.empty()) manifest.splits[std::string(kSplitNames[split])] = write(split, images, range);
    };
    write_split(kTrain, images_[kTrain], {0, kept});
    if (options_.hold_out > 0) write_split(kValid, images_[kTrain], {kept, train});
    for (std::size_t split = kValid; split < kSplitNames.size(); ++split)
      write_split(split, images_[split], {0, count_of(images_[split])});
    write_manifest(directory_.path(), manifest);
    throw_if_stop_requested();
    directory_.commit();
    return manifest;
  }

 private:
  void add(std::size_t split, const ImageFiles& files) {
    std::unique_ptr<const LabelledImages> images;
    if (options_.format == ImageFormat::idx)
      images = std::make_unique<IdxImages>(files.images, files.labels);
    else
      images = std::make_unique<CifarImages>(files.images);
    const ImageShape shape = images->shape();
    if (!shape_) {
      shape_ = shape;
      shaped_by_ = files.images;
    }
    if (shape != *shape_)
      throw DataError(fmt::format("has images of {} x {} pixels, but {} has {} x {}", shape.rows, shape.columns,
                                  shaped_by_.string(), shape_->rows, shape_->columns),
                      files.images.string(), "a corpus has images of one size: name files of equal sizes");
    images_[split].push_back(std::move(images));
  }

  SequenceDescription described() const {
    require(shape_.has_value(), "a corpus without images was asked for");
    require(options_.hold_out == 0 || images_[kValid].empty(), "the split valid was asked for twice");
    require(std::cmp_equal(options_.normalisation.mean.size(), shape_->channels) &&
                std::cmp_equal(options_.normalisation.deviation.size(), shape_->channels),
            "the normalisation does not fit the channels");
    return {shape_->steps(), shape_->channels, options_.classes, options_.normalisation};
  }

  // Images [range.begin, range.end) of a list of files.
  SequenceSplitEntry write(std::size_t split, const ImageList& images, Range range) {
    progress_.doing = fmt::format("writing {}", kSplitNames[split]);
    const std::int64_t in_shard =
        options_.shard_sequences.value_or(std::max<std::int64_t>(1, kShardBytes / shape_->bytes()));
    SequenceSplitWriter writer(directory_.path(), std::string(kSplitNames[split]), described(), range.size(), in_shard);
    std::int64_t before = 0;  // images in the files before this one
    for (const auto& file : images) {
      const Range part{std::max<std::int64_t>(range.begin - before, 0), std::min(range.end - before, file->count())};
      if (!part.empty()) copy(*file, part, writer);
      before += file->count();
    }
    return {range.size(), writer.finish()};
  }

  void copy(const LabelledImages& file, Range range, SequenceSplitWriter& writer) {
    const std::int64_t in_block = std::max<std::int64_t>(1, kBlockBytes / shape_->bytes());
    for (std::int64_t first = range.begin; first < range.end; first += in_block) {
      throw_if_stop_requested();
      const std::int64_t count = std::min(in_block, range.end - first);
      pixels_.resize(static_cast<std::size_t>(count * shape_->bytes()));
      labels_.resize(static_cast<std::size_t>(count));
      file.read(first, pixels_, labels_);
      const auto bad =
          std::find_if(labels_.begin(), labels_.end(), [&](std::uint8_t label) { return label >= options_.classes; });
      if (bad != labels_.end()) {
        const std::int64_t image = first + (bad - labels_.begin());
        throw DataError(fmt::format("image {} has the label {}, expected < {}", image, *bad, options_.classes),
                        file.place_of_label(image), fmt::format("give --classes {} or more, or other files", *bad + 1));
      }
      writer.append(pixels_, labels_);
      progress_.done_bytes += count * shape_->bytes();
      on_progress_(progress_);
    }
  }

  const ImageCorpusOptions& options_;
  const std::function<void(const ReadingProgress&)>& on_progress_;
  AtomicDirectory directory_;
  std::array<ImageList, kSplitNames.size()> images_;
  std::optional<ImageShape> shape_;  // of all images
  std::filesystem::path shaped_by_;  // the file that was looked at first
  std::vector<std::uint8_t> pixels_, labels_;
  ReadingProgress progress_;
};

}  // namespace

std::optional<ImageFormat> image_format_from_name(std::string_view name) {
  if (name == "idx") return ImageFormat::idx;
  if (name == "cifar") return ImageFormat::cifar;
  return std::nullopt;
}

std::int64_t channels_of(ImageFormat format) { return format == ImageFormat::idx ? 1 : 3; }

Normalisation usual_normalisation(ImageFormat format) {
  if (format == ImageFormat::idx) return {{0.1307}, {0.3081}};
  return {{0.5, 0.5, 0.5}, {0.5, 0.5, 0.5}};
}

SequenceManifest build_image_corpus(const ImageCorpusOptions& options,
                                    const std::function<void(const ReadingProgress&)>& on_progress) {
  return Builder(options, on_progress).run();
}

}  // namespace trellis
