#include "preprocessing/cifar_images.h"

#include <algorithm>
#include <fmt/core.h>
#include <vector>

#include "base/errors.h"
#include "corpus/sequence_format.h"
#include "preprocessing/file_kind.h"

namespace trellis {
namespace {

constexpr std::size_t kPlane = 32 * 32, kPlanes = 3, kRecord = 1 + kPlanes * kPlane;

}  // namespace

CifarImages::CifarImages(const std::filesystem::path& path) : file_(File::open_to_read(path)) {
  const std::int64_t size = file_.size(), record = kRecord;
  if (size == 0) throw DataError("is empty", path.string(), "name a file that has images in it");
  if (size % record != 0) {
    refuse_compressed(file_);
    throw DataError(
        fmt::format("has {} bytes, expected a multiple of {}: after {} images it ends {} bytes into a record", size,
                    record, size / record, size % record),
        path.string(), "name files of CIFAR-10's binary version (data_batch_1.bin); get them again if they are cut");
  }
  count_ = size / record;
  if (count_ > kMaxSequences)
    throw DataError(fmt::format("has {} images, at most {} are read", count_, kMaxSequences), path.string(), "");
}

void CifarImages::read(std::int64_t first, std::span<std::uint8_t> pixels, std::span<std::uint8_t> labels) const {
  std::vector<std::uint8_t> records(std::min<std::size_t>(labels.size(), 64) * kRecord);
  for (std::size_t done = 0; done < labels.size();) {
    const std::size_t part = std::min(labels.size() - done, records.size() / kRecord);
    file_.read_at((first + static_cast<std::int64_t>(done)) * static_cast<std::int64_t>(kRecord),
                  std::as_writable_bytes(std::span(records).first(part * kRecord)));
    for (std::size_t image = 0; image < part; ++image, ++done) {
      const std::uint8_t* const record = records.data() + image * kRecord;
      std::uint8_t* const to = pixels.data() + done * kPlanes * kPlane;
      labels[done] = record[0];
      for (std::size_t pixel = 0; pixel < kPlane; ++pixel)
        for (std::size_t plane = 0; plane < kPlanes; ++plane)
          to[pixel * kPlanes + plane] = record[1 + plane * kPlane + pixel];
    }
  }
}

std::string CifarImages::place_of_label(std::int64_t image) const {
  return fmt::format("{}: byte {}", file_.path().string(), image * static_cast<std::int64_t>(kRecord));
}

}  // namespace trellis
