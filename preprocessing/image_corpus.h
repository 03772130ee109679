// From image files to a directory of labelled sequences (docs/formats.md): every image row by row, a pixel a step. The
// same input and options give the same bytes. Memory: a megabyte of images, however many there are.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string_view>
#include <vector>

#include "corpus/corpus_format.h"
#include "corpus/sequence_manifest.h"
#include "preprocessing/reading_progress.h"

namespace trellis {

enum class ImageFormat {
  idx,    // preprocessing/idx_images.h
  cifar,  // preprocessing/cifar_images.h
};

std::optional<ImageFormat> image_format_from_name(std::string_view name);  // empty unless "idx" or "cifar"
std::int64_t channels_of(ImageFormat format);
// What the authors' scripts subtract and divide by: MNIST's mean and standard deviation for idx, one half for CIFAR.
Normalisation usual_normalisation(ImageFormat format);

struct ImageFiles {
  std::filesystem::path images;
  std::filesystem::path labels;  // idx only
};

struct ImageCorpusOptions {
  ImageFormat format = ImageFormat::idx;
  // By split, in order of kSplitNames; read one after the other.
  std::array<std::vector<ImageFiles>, kSplitNames.size()> files;
  std::int64_t hold_out = 0;  // the last so many training images become the split valid, which must have no files then
  std::int64_t classes = 10;
  Normalisation normalisation;                  // one number a channel
  std::optional<std::int64_t> shard_sequences;  // none: as many as fit in 64 MiB, but at least one
  std::filesystem::path output;
};

// Builds the corpus and gives it its name in one step; whatever goes wrong, nothing is left behind. Throws the Errors
// of docs/formats.md, UsageError when hold_out leaves no training images, and Interrupted.
SequenceManifest build_image_corpus(const ImageCorpusOptions& options,
                                    const std::function<void(const ReadingProgress&)>& on_progress);

}  // namespace trellis
