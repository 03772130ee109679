#include "hdf5/link_index.h"

#include <array>
#include <bit>
#include <fmt/core.h>
#include <vector>

namespace trellis {
namespace {

constexpr const char* kHeader = "an index of links";
constexpr const char* kNode = "a node of an index of links";

// HDF5's constants for links.
constexpr std::uint64_t kHeaderBytes = 38, kNodeBytes = 512, kRecordBytes = 4 + 7, kLinksByName = 5;
constexpr std::uint64_t kNodeOverhead = 4 + 1 + 1 + 4;  // signature, version, type, checksum
constexpr std::uint64_t kDeepest = 6;                   // far above 100,000 links

// How many records fit in a node of some depth (0: a leaf), and in all below it; and how wide such counts are stored.
struct Level {
  std::uint64_t most = 0, most_below = 0;
  int count_bytes = 0, total_bytes = 0;
};

constexpr int bytes_for(std::uint64_t most) { return (std::bit_width(most) - 1) / 8 + 1; }

constexpr std::array<Level, kDeepest + 1> levels() {
  std::array<Level, kDeepest + 1> result{};
  result[0].most = result[0].most_below = (kNodeBytes - kNodeOverhead) / kRecordBytes;
  result[0].count_bytes = bytes_for(result[0].most);
  for (std::size_t depth = 1; depth < result.size(); ++depth) {
    const Level& below = result[depth - 1];
    const auto pointer = static_cast<std::uint64_t>(8 + result[0].count_bytes + below.total_bytes);
    Level& level = result[depth];
    level.most = (kNodeBytes - kNodeOverhead - pointer) / (kRecordBytes + pointer);
    level.most_below = (level.most + 1) * below.most_below + level.most;
    level.count_bytes = result[0].count_bytes;
    level.total_bytes = bytes_for(level.most_below);
  }
  return result;
}
constexpr std::array<Level, kDeepest + 1> kLevels = levels();
static_assert(kLevels[0].most == 45 && kLevels[1].most == 24 && kLevels[2].most == 22 && kLevels[2].total_bytes == 2);

class IndexReader {
 public:
  IndexReader(Hdf5Source& source, const std::function<void(std::uint32_t, Hdf5Cursor)>& visit)
      : source_(source), visit_(visit) {}

  void read(std::uint64_t at) {
    const std::vector<std::byte> bytes = source_.take(at, kHeaderBytes, kHeader);
    Hdf5Cursor header(source_, bytes, at);
    header.expect("BTHD", kHeader);
    source_.verify(bytes, at, kHeader);
    header.expect(1, 0, "the version of an index");
    header.expect(1, kLinksByName, "the type of an index");
    header.expect(4, kNodeBytes, "the size of an index's nodes");
    header.expect(2, kRecordBytes, "the size of an index's records");
    const std::uint64_t depth = header.number(2, "the depth of an index");
    if (depth > kDeepest) header.refuse(fmt::format("an index is {} nodes deep, at most {} are read", depth, kDeepest));
    header.skip(2, "when an index's nodes are split and merged");
    const std::uint64_t root = header.address("the root of an index");
    const std::uint64_t records = header.number(2, "the records of an index's root"),
                        total = header.number(8, "the records of an index");
    read_node(root, depth, records, total);
  }

 private:
  void read_node(std::uint64_t at, std::uint64_t depth, std::uint64_t records, std::uint64_t total) {
    const Level& level = kLevels[depth];
    if (records == 0 || records > level.most)
      source_.refuse(fmt::format("{} has {} records, expected 1 to {}", kNode, records, level.most), at);
    const std::vector<std::byte> bytes = source_.take(at, kNodeBytes, kNode);
    Hdf5Cursor node(source_, bytes, at);
    const int total_bytes = depth == 0 ? 0 : kLevels[depth - 1].total_bytes;
    const std::uint64_t pointers =
        depth == 0 ? 0 : (records + 1) * static_cast<std::uint64_t>(8 + level.count_bytes + total_bytes);
    // What stands behind the checksum is not used.
    source_.verify(std::span(bytes).first(kNodeOverhead + records * kRecordBytes + pointers), at, kNode);
    node.expect(depth == 0 ? "BTLF" : "BTIN", kNode);
    node.expect(1, 0, "the version of a node");
    node.expect(1, kLinksByName, "the type of a node");
    Hdf5Cursor own = node.part(records * kRecordBytes, "a node's records");
    const std::uint64_t before = visited_;
    for (std::uint64_t child = 0; child <= records; ++child) {
      if (depth > 0) {
        const std::uint64_t address = node.address("the address of a node");
        const std::uint64_t count = node.number(level.count_bytes, "the records of a node");
        const std::uint64_t below = total_bytes == 0 ? count : node.number(total_bytes, "the records below a node");
        read_node(address, depth - 1, count, below);
      }
      if (child < records) read_record(own.part(kRecordBytes, "a record"));
    }
    if (visited_ - before != total)
      source_.refuse(fmt::format("{} and those below it have {} records, expected {}", kNode, visited_ - before, total),
                     at);
  }

  void read_record(Hdf5Cursor record) {
    const auto hash = static_cast<std::uint32_t>(record.number(4, "the hash of a name"));
    if (visited_ > 0 && hash < last_hash_)
      record.refuse(fmt::format("an index is out of order: {:08x} follows {:08x}", hash, last_hash_));
    last_hash_ = hash;
    ++visited_;
    visit_(hash, record);
  }

  Hdf5Source& source_;
  const std::function<void(std::uint32_t, Hdf5Cursor)>& visit_;
  std::uint64_t visited_ = 0;
  std::uint32_t last_hash_ = 0;
};

}  // namespace

void for_each_in_hdf5_link_index(Hdf5Source& source, std::uint64_t at,
                                 const std::function<void(std::uint32_t hash, Hdf5Cursor id)>& visit) {
  IndexReader(source, visit).read(at);
}

}  // namespace trellis
