#include "preprocessing/labelled_images.h"

#include <array>
#include <fmt/core.h>
#include <string_view>

#include "base/errors.h"

namespace trellis {
namespace {

struct Compression {
  std::string_view magic, name, undo;
};
constexpr std::array<Compression, 4> kCompressions{
    Compression{std::string_view("\x1F\x8B\x08", 3), "gzip", "gzip -dk"},
    Compression{std::string_view("\xFD\x37\x7A\x58\x5A\x00", 6), "xz", "xz -dk"},
    Compression{std::string_view("BZh", 3), "bzip2", "bzip2 -dk"},
    Compression{std::string_view("\x28\xB5\x2F\xFD", 4), "zstd", "zstd -d"}};

}  // namespace

void refuse_compressed(const File& file) {
  std::array<char, 8> start{};
  const std::size_t got = file.read_some_at(0, std::as_writable_bytes(std::span(start)));
  for (const Compression& compression : kCompressions)
    if (std::string_view(start.data(), got).starts_with(compression.magic))
      throw DataError(fmt::format("is compressed with {}, expected a plain file", compression.name),
                      file.path().string(),
                      fmt::format("decompress it first: {} {}", compression.undo, file.path().string()));
}

}  // namespace trellis
