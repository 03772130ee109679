#include "hdf5/superblock.h"

#include <fmt/core.h>
#include <vector>

#include "hdf5/symbol_table.h"

namespace trellis {
namespace {

constexpr const char* kSuperblock = "the superblock";
constexpr std::string_view kSignature = "\x89HDF\r\n\x1a\n";
constexpr std::uint64_t kBytesOfVersion0 = 96, kBytesOfVersion2 = 48;

void expect_size_of_file(Hdf5Cursor& at, const Hdf5Source& source) {
  const Hdf5Cursor here = at;
  if (const std::uint64_t end = at.number(8, "the file's end"); end != source.size())
    here.refuse(fmt::format("says that it ends at byte {}, but the file has {} bytes", end, source.size()));
}

}  // namespace

Hdf5Superblock read_hdf5_superblock(Hdf5Source& source) {
  if (source.size() < kBytesOfVersion2) source.refuse("is no HDF5 file: too short", 0);
  const std::vector<std::byte> beginning = source.peek(0, kSignature.size() + 1, kSuperblock);
  Hdf5Cursor signature(source, beginning, 0);
  if (signature.text(kSignature.size(), kSuperblock) != kSignature)
    source.refuse("is no HDF5 file: it does not begin with HDF5's signature", 0);
  const std::uint64_t version = signature.number(1, "the superblock's version");
  if (version != 0 && version != 2)
    source.refuse(fmt::format("its superblock has version {}, expected 2 (or 0)", version), kSignature.size());

  const std::vector<std::byte> bytes = source.take(0, version == 0 ? kBytesOfVersion0 : kBytesOfVersion2, kSuperblock);
  Hdf5Cursor block(source, bytes, 0);
  block.skip(kSignature.size() + 1, kSuperblock);
  Hdf5Superblock result;
  if (version == 2) {
    source.verify(bytes, 0, kSuperblock);
    block.expect(1, 8, "the size of addresses");
    block.expect(1, 8, "the size of lengths");
    block.expect(1, 0, "the superblock's flags");
    block.expect(8, 0, "the base address");
    block.expect(8, kHdf5Nowhere, "the address of a superblock extension");
    expect_size_of_file(block, source);
    result.root = block.address("the address of the root group");
    return result;
  }
  block.expect(3, 0, "the versions of other structures");
  block.expect(1, 0, "the version of shared messages");
  block.expect(1, 8, "the size of addresses");
  block.expect(1, 8, "the size of lengths");
  block.expect(1, 0, "a reserved byte");
  block.expect(2, 4, "half the symbols of a table");
  block.expect(2, 16, "half the children of a node");
  block.expect(4, 0, "the superblock's flags");
  block.expect(8, 0, "the base address");
  block.expect(8, kHdf5Nowhere, "the address of free space");
  expect_size_of_file(block, source);
  block.expect(8, kHdf5Nowhere, "the address of driver information");
  block.expect(8, 0, "the name of the root group");
  const Hdf5Symbol root = parse_hdf5_symbol(block, "");
  result.root = root.link.object;
  result.table = root.table;
  return result;
}

}  // namespace trellis
