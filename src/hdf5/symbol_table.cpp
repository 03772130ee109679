#include "hdf5/symbol_table.h"

#include <fmt/core.h>
#include <utility>
#include <vector>

namespace trellis {
namespace {

constexpr const char* kHeap = "a heap of names";
constexpr const char* kNames = "the names of a group";
constexpr const char* kTree = "a node of a tree of symbols";
constexpr const char* kTable = "a table of symbols";

// HDF5's defaults, which the superblock must state (hdf5/superblock.h): a table has at most twice 4 symbols, a
// node of the tree at most twice 16 children.
constexpr std::uint64_t kSymbolsMost = 2 * 4, kChildrenMost = 2 * 16;
constexpr std::uint64_t kEntryBytes = 40, kTableBytes = 8 + kSymbolsMost * kEntryBytes,
                        kTreeBytes = 24 + (kChildrenMost + 1) * 8 + kChildrenMost * 8;
constexpr std::uint64_t kDeepest = 8;

class SymbolReader {
 public:
  SymbolReader(Hdf5Source& source, const std::function<void(Hdf5Symbol)>& visit) : source_(source), visit_(visit) {}

  void read(const Hdf5SymbolTable& group) {
    read_names(group.heap);
    read_tree(group.tree, kAnyLevel);
  }

 private:
  static constexpr std::uint64_t kAnyLevel = ~std::uint64_t{0};

  void read_names(std::uint64_t at) {
    const std::vector<std::byte> bytes = source_.take(at, 32, kHeap);
    Hdf5Cursor heap(source_, bytes, at);
    heap.expect("HEAP", kHeap);
    heap.expect(1, 0, "the version of a heap of names");
    heap.expect(3, 0, "reserved bytes");
    const std::uint64_t length = heap.number(8, "the size of a heap of names");
    heap.skip(8, "the free space of a heap of names");  // whoever adds names looks there, no reader does
    names_at_ = heap.address("the place of names");
    names_ = source_.take(names_at_, length, kNames);
  }

  void read_tree(std::uint64_t at, std::uint64_t expected_level) {
    const std::vector<std::byte> bytes = source_.take(at, kTreeBytes, kTree);
    Hdf5Cursor node(source_, bytes, at);
    node.expect("TREE", kTree);
    node.expect(1, 0, "the type of a tree of symbols");
    const Hdf5Cursor at_level = node;
    const std::uint64_t level = node.number(1, "the level of a node"),
                        children = node.number(2, "the children of a node");
    if (expected_level == kAnyLevel ? level > kDeepest : level != expected_level)
      at_level.refuse(fmt::format("a node of a tree of symbols has level {}, expected {}", level,
                                  expected_level == kAnyLevel ? "a few" : std::to_string(expected_level)));
    if (children > kChildrenMost)
      at_level.refuse(
          fmt::format("a node of a tree of symbols has {} children, at most {} fit", children, kChildrenMost));
    node.skip(16, "the neighbours of a node");
    for (std::uint64_t child = 0; child < children; ++child) {
      read_key(node);
      const std::uint64_t address = node.address("the child of a node");
      if (level > 0)
        read_tree(address, level - 1);
      else
        read_table(address);
    }
    if (children > 0) read_key(node);
  }

  // Keys serve a search; every name is read here, so they need only be names.
  void read_key(Hdf5Cursor& node) const {
    const Hdf5Cursor here = node;
    if (const std::uint64_t key = node.number(8, "the key of a node"); key >= names_.size())
      here.refuse(fmt::format("the key of a node is name {}, but there are {} bytes of names", key, names_.size()));
  }

  void read_table(std::uint64_t at) {
    const std::vector<std::byte> bytes = source_.take(at, kTableBytes, kTable);
    Hdf5Cursor table(source_, bytes, at);
    table.expect("SNOD", kTable);
    table.expect(1, 1, "the version of a table of symbols");
    table.expect(1, 0, "a reserved byte");
    const std::uint64_t symbols = table.number(2, "the symbols of a table");
    if (symbols > kSymbolsMost)
      table.refuse(fmt::format("a table has {} symbols, at most {} fit", symbols, kSymbolsMost));
    for (std::uint64_t i = 0; i < symbols; ++i) {
      const Hdf5Cursor here = table;
      std::string name = name_at(table.number(8, "the name of a symbol"), here);
      if (any_ && name <= last_) here.refuse("the symbols of a group are not in the order of their names");
      any_ = true;
      last_ = name;
      visit_(parse_hdf5_symbol(table, std::move(name)));
    }
  }

  std::string name_at(std::uint64_t offset, const Hdf5Cursor& where) const {
    if (offset >= names_.size())
      where.refuse(fmt::format("the name of a symbol is at byte {} of {} bytes of names", offset, names_.size()));
    const std::string_view rest(reinterpret_cast<const char*>(names_.data()) + offset,
                                names_.size() - static_cast<std::size_t>(offset));
    const std::size_t length = rest.find('\0');
    if (length == std::string_view::npos) where.refuse("the name of a symbol does not end");
    check_hdf5_name(rest.substr(0, length), Hdf5Cursor(source_, {}, names_at_ + offset));
    return std::string(rest.substr(0, length));
  }

  Hdf5Source& source_;
  const std::function<void(Hdf5Symbol)>& visit_;
  std::vector<std::byte> names_;
  std::uint64_t names_at_ = 0;
  bool any_ = false;
  std::string last_;
};

}  // namespace

Hdf5Symbol parse_hdf5_symbol(Hdf5Cursor& entry, std::string name) {
  const Hdf5Cursor beginning = entry;
  Hdf5Symbol symbol;
  symbol.link = {std::move(name), entry.address("the object of a symbol")};
  constexpr std::uint64_t kNothing = 0, kGroup = 1, kSoftLink = 2;
  const std::uint64_t kind = entry.number(4, "the kind of a symbol");
  entry.expect(4, 0, "reserved bytes");
  if (kind == kSoftLink)
    beginning.refuse(fmt::format("/{} is a soft link, expected a dataset in this file", symbol.link.name));
  if (kind > kGroup) beginning.refuse(fmt::format("/{} is a symbol of unknown kind {}", symbol.link.name, kind));
  if (kind == kNothing)
    entry.skip(16, "a symbol");
  else
    symbol.table = parse_hdf5_symbol_table(entry.part(16, "a symbol"));
  return symbol;
}

void for_each_hdf5_symbol(Hdf5Source& source, const Hdf5SymbolTable& group,
                          const std::function<void(Hdf5Symbol)>& visit) {
  SymbolReader(source, visit).read(group);
}

}  // namespace trellis
