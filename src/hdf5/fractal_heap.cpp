#include "hdf5/fractal_heap.h"

#include <algorithm>
#include <bit>
#include <fmt/core.h>
#include <utility>

#include "hdf5/checksum.h"

namespace trellis {
namespace {

constexpr const char* kHeader = "a heap of links";
constexpr const char* kDirect = "a block of a heap of links";
constexpr const char* kIndirect = "a table of blocks of a heap of links";

// HDF5's constants for links. A row is four blocks of one size: 512, 512, 1024, 2048, ... bytes.
constexpr std::uint64_t kHeaderBytes = 146, kIdBytes = 7, kLargestObject = 4096, kWidth = 4, kFirstBlock = 512,
                        kLargestDirect = 65536, kOffsetBits = 32, kOffsetBytes = 4;
constexpr std::uint64_t kDirectPrefix = 4 + 1 + 8 + kOffsetBytes + 4;
constexpr std::uint64_t kMostBytes = std::uint64_t{64} << 20;  // 100,000 links of 255 bytes, and room

constexpr std::uint64_t size_in_row(std::uint64_t row) { return row == 0 ? kFirstBlock : kFirstBlock << (row - 1); }
// The rows that an indirect block of `bytes` bytes of heap has.
constexpr std::uint64_t rows_of(std::uint64_t bytes) {
  return static_cast<std::uint64_t>(std::bit_width(bytes) - std::bit_width(kFirstBlock * kWidth)) + 1;
}
constexpr std::uint64_t kMostRows = kOffsetBits - 11 + 1;
static_assert(size_in_row(8) == kLargestDirect && rows_of(size_in_row(9)) == 7);

}  // namespace

Hdf5FractalHeap::Hdf5FractalHeap(Hdf5Source& source, std::uint64_t at) : source_(source), header_at_(at) {
  const std::vector<std::byte> bytes = source.take(at, kHeaderBytes, kHeader);
  Hdf5Cursor header(source, bytes, at);
  header.expect("FRHP", kHeader);
  source.verify(bytes, at, kHeader);
  header.expect(1, 0, "the version of a heap of links");
  header.expect(2, kIdBytes, "the size of a heap's ids");
  header.expect(2, 0, "the size of a heap's filters");
  header.expect(1, 2, "a heap's flags");
  header.expect(4, kLargestObject, "the largest object of a heap");
  header.expect(8, 0, "the number of a heap's next huge object");
  header.expect(8, kHdf5Nowhere, "the tree of a heap's huge objects");
  header.skip(16, "the free space of a heap");  // whoever adds links looks there, no reader does
  header.skip(24, "the space of a heap");
  objects_ = header.number(8, "the number of a heap's objects");
  header.expect(8, 0, "the size of a heap's huge objects");
  header.expect(8, 0, "the number of a heap's huge objects");
  header.expect(8, 0, "the size of a heap's tiny objects");
  header.expect(8, 0, "the number of a heap's tiny objects");
  header.expect(2, kWidth, "the width of a heap's table");
  header.expect(8, kFirstBlock, "the first size of a heap's blocks");
  header.expect(8, kLargestDirect, "the largest size of a heap's blocks");
  header.expect(2, kOffsetBits, "the bits of a heap's offsets");
  header.expect(2, 1, "the first rows of a heap's table");
  const std::uint64_t root = header.address("the root of a heap");
  const Hdf5Cursor at_rows = header;
  const std::uint64_t rows = header.number(2, "the rows of a heap's table");
  if (rows > kMostRows) at_rows.refuse(fmt::format("a heap's table has {} rows, at most {} exist", rows, kMostRows));
  if (rows == 0)
    read_direct(root, 0, kFirstBlock);
  else
    read_indirect(root, 0, rows);
}

void Hdf5FractalHeap::check_beginning(Hdf5Cursor& block, std::uint64_t offset, const char* signature,
                                      const char* what) const {
  block.expect(signature, what);
  block.expect(1, 0, "the version of a heap's block");
  block.expect(8, header_at_, "the address of the heap that a block belongs to");
  block.expect(kOffsetBytes, offset, "the offset of a heap's block");
}

void Hdf5FractalHeap::read_direct(std::uint64_t at, std::uint64_t offset, std::uint64_t length) {
  total_bytes_ += length;
  if (total_bytes_ > kMostBytes) source_.refuse(fmt::format("a heap of links has more than {} bytes", kMostBytes), at);
  std::vector<std::byte> bytes = source_.take(at, length, kDirect);
  Hdf5Cursor block(source_, bytes, at);
  check_beginning(block, offset, "FHDB", kDirect);
  // The checksum, of the whole block, stands before the objects and counts as zeros.
  const Hdf5Cursor at_checksum = block;
  const auto stored = static_cast<std::uint32_t>(block.number(4, kDirect));
  std::fill_n(bytes.begin() + static_cast<std::ptrdiff_t>(kDirectPrefix - 4), 4, std::byte{0});
  source_.verify(bytes, stored, at_checksum.at(), kDirect);
  blocks_.push_back({offset, at, std::move(bytes)});
}

void Hdf5FractalHeap::read_indirect(std::uint64_t at, std::uint64_t offset, std::uint64_t rows) {
  const std::uint64_t length = 4 + 1 + 8 + kOffsetBytes + rows * kWidth * 8 + 4;
  const std::vector<std::byte> bytes = source_.take(at, length, kIndirect);
  Hdf5Cursor block(source_, bytes, at);
  check_beginning(block, offset, "FHIB", kIndirect);
  source_.verify(bytes, at, kIndirect);
  for (std::uint64_t row = 0; row < rows; ++row)
    for (std::uint64_t column = 0; column < kWidth; ++column) {
      const std::uint64_t child = block.address("the address of a heap's block"), size = size_in_row(row);
      if (child != kHdf5Nowhere) {
        if (size <= kLargestDirect)
          read_direct(child, offset, size);
        else
          read_indirect(child, offset, rows_of(size));  // smaller than this one, so this comes to an end
      }
      offset += size;
    }
}

Hdf5Cursor Hdf5FractalHeap::object(Hdf5Cursor& id) {
  const Hdf5Cursor beginning = id;
  id.expect(1, 0, "the kind of a heap's object");
  const std::uint64_t offset = id.number(kOffsetBytes, "the offset of a heap's object"),
                      length = id.number(2, "the size of a heap's object");
  const auto after = std::ranges::upper_bound(blocks_, offset, {}, &Block::offset);
  if (after == blocks_.begin()) beginning.refuse("a heap's object lies in no block");
  const Block& block = *std::prev(after);
  const std::uint64_t within = offset - block.offset;
  if (within < kDirectPrefix || within > block.bytes.size() || length == 0 || length > kLargestObject ||
      length > block.bytes.size() - within)
    beginning.refuse(fmt::format("a heap's object of {} bytes at offset {} lies in no block", length, offset));
  if (objects_read_.add({offset, offset + length, "a heap's object"}))
    beginning.refuse(fmt::format("a heap's object at offset {} shares bytes with another", offset));
  return {source_, std::span(block.bytes).subspan(static_cast<std::size_t>(within), static_cast<std::size_t>(length)),
          block.at + within};
}

}  // namespace trellis
