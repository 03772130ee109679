// Images and labels in a pair of idx files, the format of MNIST and its kin (yann.lecun.com/exdb/mnist): the bytes
// 00 00 08 and the number of dimensions, each dimension in 4 bytes, most significant first, then unsigned bytes.
// Images have the dimensions count, rows and columns; labels only count.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

#include "preprocessing/labelled_images.h"
#include "storage/file.h"

namespace trellis {

class IdxImages : public LabelledImages {
 public:
  // Throws MissingInputError when a file is not there, DataError unless both are whole idx files that fit each other,
  // with at least one image and at most kMaxSteps pixels an image.
  IdxImages(const std::filesystem::path& images, const std::filesystem::path& labels);

  const std::filesystem::path& path() const override { return images_.path(); }
  ImageShape shape() const override { return shape_; }
  std::int64_t count() const override { return count_; }
  void read(std::int64_t first, std::span<std::uint8_t> pixels, std::span<std::uint8_t> labels) const override;
  std::string place_of_label(std::int64_t image) const override;

 private:
  File images_, labels_;
  ImageShape shape_;
  std::int64_t count_ = 0;
};

}  // namespace trellis
