// Images and their labels as they lie in files of some format: by number, as sequences of pixels.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

#include "storage/file.h"

namespace trellis {

struct ImageShape {
  std::int64_t rows = 0, columns = 0, channels = 0;
  std::int64_t steps() const { return rows * columns; }
  std::int64_t bytes() const { return steps() * channels; }
  bool operator==(const ImageShape&) const = default;
};

// One file of images, perhaps with one of labels beside it. Implementations check everything but the labels' values
// when they are made, without reading the images.
class LabelledImages {
 public:
  virtual ~LabelledImages() = default;
  virtual const std::filesystem::path& path() const = 0;  // of the images
  virtual ImageShape shape() const = 0;
  virtual std::int64_t count() const = 0;
  // Images [first, first + n), all of which must exist: pixels [n, rows, columns, channels], labels [n], n being the
  // size of `labels`. Throws DataError when a file was cut meanwhile.
  virtual void read(std::int64_t first, std::span<std::uint8_t> pixels, std::span<std::uint8_t> labels) const = 0;
  // Where the label of an image lies, for errors: "FILE: byte 8".
  virtual std::string place_of_label(std::int64_t image) const = 0;
};

}  // namespace trellis
