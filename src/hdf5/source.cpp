#include "hdf5/source.h"

#include <algorithm>
#include <fmt/core.h>
#include <utility>

#include "hdf5/checksum.h"
#include "hdf5/cursor.h"

namespace trellis {
namespace {

constexpr std::size_t kWindowBytes = 4096;
constexpr std::uint64_t kLargestBlock = 1 << 20;  // no block of metadata of ours comes near it

}  // namespace

Hdf5Source::Hdf5Source(const File& file, std::string fix)
    : file_(file), fix_(std::move(fix)), size_(static_cast<std::uint64_t>(file.size())) {}

void Hdf5Source::refuse(const std::string& what, std::uint64_t at) const {
  throw DataError(fmt::format("{} (at byte {})", what, at), file_.path().string(), fix_);
}

std::vector<std::byte> Hdf5Source::peek(std::uint64_t at, std::size_t length, const char* what) {
  if (at >= size_) refuse(fmt::format("{} lies outside the file of {} bytes", what, size_), at);
  const auto there = static_cast<std::size_t>(std::min<std::uint64_t>(length, size_ - at));
  std::vector<std::byte> bytes(there);
  if (there > kWindowBytes) {
    file_.read_at(static_cast<std::int64_t>(at), bytes);
    return bytes;
  }
  if (at < window_at_ || at - window_at_ > window_.size() || window_.size() - (at - window_at_) < there) {
    window_.resize(static_cast<std::size_t>(std::min<std::uint64_t>(kWindowBytes, size_ - at)));
    window_at_ = at;
    file_.read_at(static_cast<std::int64_t>(at), window_);
  }
  std::copy_n(window_.begin() + static_cast<std::ptrdiff_t>(at - window_at_), there, bytes.begin());
  return bytes;
}

std::vector<std::byte> Hdf5Source::take(std::uint64_t at, std::uint64_t length, const char* what) {
  if (length > kLargestBlock)
    refuse(fmt::format("{} has {} bytes, at most {} are read", what, length, kLargestBlock), at);
  claim(at, length, what);
  return peek(at, static_cast<std::size_t>(length), what);
}

void Hdf5Source::claim(std::uint64_t at, std::uint64_t length, const char* what) {
  if (length == 0) refuse(fmt::format("{} is empty", what), at);
  if (at >= size_ || length > size_ - at)
    refuse(fmt::format("{} has {} bytes from here on and lies outside the file of {} bytes", what, length, size_), at);
  if (const auto other = taken_.add({at, at + length, what}))
    refuse(fmt::format("{} has {} bytes and shares some with {} at bytes {} to {}", what, length, other->name,
                       other->begin, other->end - 1),
           at);
}

void Hdf5Source::verify(std::span<const std::byte> block, std::uint64_t at, const char* what) const {
  require(block.size() > 4, "a block with a checksum has something before it");
  const std::span<const std::byte> summed = block.first(block.size() - 4);
  Hdf5Cursor checksum(*this, block.last(4), at + summed.size());
  verify(summed, static_cast<std::uint32_t>(checksum.number(4, what)), at + summed.size(), what);
}

void Hdf5Source::verify(std::span<const std::byte> summed, std::uint32_t stored, std::uint64_t at,
                        const char* what) const {
  const std::uint32_t computed = hdf5_checksum(summed);
  if (stored == computed) return;
  try {
    refuse(fmt::format("{} is damaged: its checksum is {:08x}, computed {:08x}", what, stored, computed), at);
  } catch (const DataError& error) {
    throw Hdf5ChecksumError(error, at, computed);
  }
}

}  // namespace trellis
