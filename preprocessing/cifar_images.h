// Images in a file of CIFAR-10's binary version (www.cs.toronto.edu/~kriz/cifar.html): records of one byte of label and
// three planes of 32 x 32 bytes - red, green, blue -, each row by row.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

#include "preprocessing/labelled_images.h"
#include "storage/file.h"

namespace trellis {

class CifarImages : public LabelledImages {
 public:
  // Throws MissingInputError when the file is not there, DataError unless it is a whole number of records, at least
  // one.
  explicit CifarImages(const std::filesystem::path& path);

  const std::filesystem::path& path() const override { return file_.path(); }
  ImageShape shape() const override { return {32, 32, 3}; }
  std::int64_t count() const override { return count_; }
  void read(std::int64_t first, std::span<std::uint8_t> pixels, std::span<std::uint8_t> labels) const override;
  std::string place_of_label(std::int64_t image) const override;

 private:
  File file_;
  std::int64_t count_ = 0;
};

}  // namespace trellis
