#include "preprocessing/idx_images.h"

#include <array>
#include <cstddef>
#include <fmt/format.h>
#include <vector>

#include "base/errors.h"
#include "corpus/sequence_format.h"
#include "preprocessing/file_kind.h"

namespace trellis {
namespace {

constexpr std::size_t kMagicBytes = 4, kDimensionBytes = 4;
constexpr unsigned kUnsignedByte = 0x08;
constexpr std::int64_t kImagesHeader = 16, kLabelsHeader = 8;

[[noreturn]] void refuse(const File& file, std::string what, std::string fix = "get the file again") {
  throw DataError(std::move(what), file.path().string(), std::move(fix));
}

// The dimensions that the header names, `expected` of them. `holds`: "images" or "labels".
std::vector<std::int64_t> read_header(const File& file, std::size_t expected, const char* holds) {
  refuse_compressed(file);
  std::array<std::uint8_t, kMagicBytes + 3 * kDimensionBytes> header{};
  const std::size_t needed = kMagicBytes + expected * kDimensionBytes,
                    got = file.read_some_at(0, std::as_writable_bytes(std::span(header)));
  const std::string magic = fmt::format("{:02x}", fmt::join(std::span(header).first(kMagicBytes), " ")),
                    right = fmt::format("00 00 {:02x} {:02x}", kUnsignedByte, expected);
  if (got >= 2 && (header[0] != 0 || header[1] != 0))
    refuse(file, fmt::format("is no idx file: it begins with the bytes {}, expected {}", magic, right),
           "name an idx file, or give another --format");
  if (got >= kMagicBytes && header[2] != kUnsignedByte)
    refuse(file,
           fmt::format("has elements of idx type {:#04x}, expected {:#04x}: unsigned bytes", header[2], kUnsignedByte),
           "convert it to unsigned bytes");
  if (got >= kMagicBytes && header[3] != expected)
    refuse(file,
           fmt::format("has {} dimensions, expected {} for {}: it begins with the bytes {}, expected {}", header[3],
                       expected, holds, magic, right),
           "images have count, rows and columns, their labels only count: name each with its own flag");
  if (got < needed) refuse(file, fmt::format("ends at byte {}, inside its header of {} bytes", got, needed));
  std::vector<std::int64_t> dimensions;
  for (std::size_t at = kMagicBytes; at < needed; at += kDimensionBytes)
    dimensions.push_back(std::int64_t{header[at]} << 24 | header[at + 1] << 16 | header[at + 2] << 8 | header[at + 3]);
  return dimensions;
}

void expect_size(const File& file, std::int64_t expected, const std::string& sum) {
  const std::int64_t size = file.size();
  if (size < expected)
    refuse(file, fmt::format("is cut: it ends at byte {}, expected {} bytes ({})", size, expected, sum));
  if (size > expected)
    refuse(file, fmt::format("has {} bytes too many: from byte {} on, where its header says that it ends ({})",
                             size - expected, expected, sum));
}

}  // namespace

IdxImages::IdxImages(const std::filesystem::path& images, const std::filesystem::path& labels)
    : images_(File::open_to_read(images)), labels_(File::open_to_read(labels)) {
  const std::vector<std::int64_t> dimensions = read_header(images_, 3, "images");
  count_ = dimensions[0];
  shape_ = {dimensions[1], dimensions[2], 1};
  if (count_ == 0) refuse(images_, "has no images");
  if (count_ > kMaxSequences) refuse(images_, fmt::format("has {} images, at most {} are read", count_, kMaxSequences));
  // each below 2^32, so their product fits 64 bits without sign
  if (const auto pixels = static_cast<std::uint64_t>(shape_.rows) * static_cast<std::uint64_t>(shape_.columns);
      pixels == 0 || pixels > static_cast<std::uint64_t>(kMaxSteps))
    refuse(images_, fmt::format("has images of {} x {} pixels, expected 1 to {} in all", shape_.rows, shape_.columns,
                                kMaxSteps));
  expect_size(images_, kImagesHeader + count_ * shape_.steps(),
              fmt::format("{} + {} x {} x {}", kImagesHeader, count_, shape_.rows, shape_.columns));

  const std::int64_t label_count = read_header(labels_, 1, "labels")[0];
  expect_size(labels_, kLabelsHeader + label_count, fmt::format("{} + {}", kLabelsHeader, label_count));
  if (label_count != count_)
    refuse(labels_, fmt::format("has {} labels, but {} has {} images", label_count, images.string(), count_),
           "name the labels of these images");
}

void IdxImages::read(std::int64_t first, std::span<std::uint8_t> pixels, std::span<std::uint8_t> labels) const {
  images_.read_at(kImagesHeader + first * shape_.bytes(), std::as_writable_bytes(pixels));
  labels_.read_at(kLabelsHeader + first, std::as_writable_bytes(labels));
}

std::string IdxImages::place_of_label(std::int64_t image) const {
  return fmt::format("{}: byte {}", labels_.path().string(), kLabelsHeader + image);
}

}  // namespace trellis
