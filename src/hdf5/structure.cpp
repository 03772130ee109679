#include "hdf5/structure.h"

#include <algorithm>
#include <fmt/core.h>
#include <fmt/ranges.h>
#include <optional>
#include <set>
#include <span>
#include <string_view>
#include <utility>

#include "hdf5/checksum.h"
#include "hdf5/fractal_heap.h"
#include "hdf5/global_heap.h"
#include "hdf5/link_index.h"
#include "hdf5/object_header.h"
#include "hdf5/source.h"
#include "hdf5/superblock.h"
#include "hdf5/symbol_table.h"

namespace trellis {
namespace {

constexpr std::size_t kMostObjects = 100'000;  // as many tensors as a checkpoint may list
constexpr int kDeepestGroup = 4;

// What an object's messages say, each at most once, but for links and attributes.
struct Messages {
  std::optional<Hdf5Cursor> dataspace, datatype, fill_value, layout, link_info, group_info, symbol_table,
      modification_time, attribute_info;
  std::vector<Hdf5Cursor> links, attributes;

  bool group() const { return link_info || symbol_table; }
};

class StructureReader {
 public:
  StructureReader(const File& file, Hdf5Groups groups, std::string fix)
      : source_(file, std::move(fix)), heaps_(source_), groups_(groups) {}

  Hdf5Structure read() && {
    const Hdf5Superblock superblock = read_hdf5_superblock(source_);
    const Hdf5ObjectHeader header = read_hdf5_object_header(source_, superblock.root);
    const Messages messages = sort(header, "");
    if (!messages.group()) source_.refuse("the root is no group", header.at);
    for (const Hdf5Cursor& attribute : messages.attributes) read_attribute(attribute);
    read_group(header, messages, superblock.table, "", 0);
    return std::move(found_);
  }

 private:
  Messages sort(const Hdf5ObjectHeader& header, const std::string& name) const {
    Messages result;
    for (const Hdf5Message& message : header.messages) {
      const auto once = [&](std::optional<Hdf5Cursor>& place) {
        if (place)
          message.body.refuse(
              fmt::format("{} has two messages of type {:#x}", path(name), static_cast<int>(message.type)));
        place = message.body;
      };
      switch (message.type) {
        case Hdf5MessageType::dataspace:
          once(result.dataspace);
          break;
        case Hdf5MessageType::datatype:
          once(result.datatype);
          break;
        case Hdf5MessageType::fill_value:
          once(result.fill_value);
          break;
        case Hdf5MessageType::layout:
          once(result.layout);
          break;
        case Hdf5MessageType::link_info:
          once(result.link_info);
          break;
        case Hdf5MessageType::group_info:
          once(result.group_info);
          break;
        case Hdf5MessageType::symbol_table:
          once(result.symbol_table);
          break;
        case Hdf5MessageType::modification_time:
          once(result.modification_time);
          break;
        case Hdf5MessageType::attribute_info:
          once(result.attribute_info);
          break;
        case Hdf5MessageType::link:
          result.links.push_back(message.body);
          break;
        case Hdf5MessageType::attribute:
          result.attributes.push_back(message.body);
          break;
        case Hdf5MessageType::external_files:
          message.body.refuse(fmt::format("{} keeps its data in another file, expected it in this one", path(name)));
        case Hdf5MessageType::filters:
          message.body.refuse(fmt::format("{} is filtered, expected plain data", path(name)));
        default:
          message.body.refuse(fmt::format("{} has a message of type {:#x}, which nothing of ours has", path(name),
                                          static_cast<int>(message.type)));
      }
    }
    if (result.attribute_info) parse_hdf5_attribute_info(*result.attribute_info);
    return result;
  }

  static std::string path(const std::string& name) { return name.empty() ? "the root group" : "/" + name; }

  void read_attribute(const Hdf5Cursor& body) {
    const Hdf5StringMessage message = parse_hdf5_attribute(body);
    std::string value = message.value ? *message.value : heaps_.text(message.heap, message.index, message.length);
    if (std::ranges::any_of(found_.attributes, [&](const Hdf5Attribute& other) { return other.name == message.name; }))
      body.refuse(fmt::format("has attribute '{}' twice", message.name));
    value.resize(std::min(value.size(), value.find('\0')));
    found_.attributes.push_back({message.name, std::move(value)});
  }

  // `promised`: where whoever led here said that the group's table of symbols is. HDF5 leaves this as it was when it
  // makes links in the header of a table.
  void read_group(const Hdf5ObjectHeader& header, const Messages& messages,
                  const std::optional<Hdf5SymbolTable>& promised, const std::string& name, int depth) {
    if (messages.dataspace || messages.datatype || messages.layout || messages.fill_value)
      source_.refuse(fmt::format("{} is a group and something else", path(name)), header.at);
    if (messages.group_info) parse_hdf5_group_info(*messages.group_info);
    std::vector<Hdf5Symbol> members;
    const auto add = [&](Hdf5Symbol member, std::uint64_t at) {
      if (++objects_ > kMostObjects) source_.refuse(fmt::format("holds more than {} objects", kMostObjects), at);
      members.push_back(std::move(member));
    };
    if (messages.symbol_table) {
      if (messages.link_info || !messages.links.empty() || messages.group_info)
        source_.refuse(fmt::format("{} has links of two kinds", path(name)), header.at);
      const Hdf5SymbolTable table = parse_hdf5_symbol_table(*messages.symbol_table);
      if (promised && table != *promised)
        source_.refuse(fmt::format("{} keeps its members elsewhere than said before", path(name)), header.at);
      for_each_hdf5_symbol(source_, table, [&](Hdf5Symbol member) { add(std::move(member), table.tree); });
    } else {
      const Hdf5LinkStorage storage = parse_hdf5_link_info(*messages.link_info);
      if (storage.dense() && !messages.links.empty())
        source_.refuse(fmt::format("{} has links in its header and in a heap", path(name)), header.at);
      for (Hdf5Cursor link : messages.links) {
        const std::uint64_t at = link.at();
        add({parse_hdf5_link(link), std::nullopt}, at);
        if (link.left() >= 8) link.refuse("a link is shorter than its message");
      }
      if (storage.dense()) read_dense_links(storage, add);
    }
    read_members(members, name, depth);
  }

  template <class Add>
  void read_dense_links(const Hdf5LinkStorage& storage, const Add& add) {
    Hdf5FractalHeap heap(source_, storage.heap);
    std::uint64_t links = 0;
    for_each_in_hdf5_link_index(source_, storage.index, [&](std::uint32_t hash, Hdf5Cursor id) {
      Hdf5Cursor object = heap.object(id);
      const std::uint64_t at = object.at();
      Hdf5Symbol member{parse_hdf5_link(object), std::nullopt};
      if (object.left() != 0) object.refuse("a link is shorter than its place");
      if (hdf5_checksum(std::as_bytes(std::span(member.link.name))) != hash)
        id.refuse(fmt::format("/{} does not have the hash that its index says", member.link.name));
      ++links;
      add(std::move(member), at);
    });
    if (links != heap.objects())
      source_.refuse(fmt::format("a heap of links has {} objects, its index {}", heap.objects(), links), storage.heap);
  }

  void read_members(const std::vector<Hdf5Symbol>& members, const std::string& group, int depth) {
    std::set<std::string_view> names;
    for (const auto& [link, table] : members) {
      const std::string name = group.empty() ? link.name : group + "/" + link.name;
      if (!names.insert(link.name).second) source_.refuse(fmt::format("holds two objects /{}", name), link.object);
      const Hdf5ObjectHeader header = read_hdf5_object_header(source_, link.object);
      const Messages messages = sort(header, name);
      if (!messages.attributes.empty())
        messages.attributes.front().refuse(fmt::format("/{} has attributes, expected none", name));
      if (!messages.group()) {
        if (table) source_.refuse(fmt::format("/{} is no group, but was said to be one", name), header.at);
        found_.datasets.push_back(read_dataset(header, messages, name));
        continue;
      }
      if (groups_ == Hdf5Groups::none) source_.refuse(fmt::format("/{} is not a dataset", name), header.at);
      if (depth == kDeepestGroup) source_.refuse(fmt::format("/{} is a group too deep", name), header.at);
      found_.groups.push_back(name);
      read_group(header, messages, table, name, depth + 1);
    }
  }

  Hdf5Dataset read_dataset(const Hdf5ObjectHeader& header, const Messages& messages, const std::string& name) {
    if (!messages.dataspace || !messages.datatype || !messages.layout || messages.group_info || !messages.links.empty())
      source_.refuse(fmt::format("/{} is not a dataset", name), header.at);
    Hdf5Dataset dataset;
    Hdf5Place place;
    named(name, [&] {
      place = parse_hdf5_layout(*messages.layout);
      dataset.element = parse_hdf5_element(*messages.datatype);
      dataset.shape = parse_hdf5_dataspace(*messages.dataspace);
      if (messages.fill_value) parse_hdf5_fill_value(*messages.fill_value);
    });
    dataset.name = name;
    std::uint64_t elements = 1;
    bool fits = place.at != kHdf5Nowhere && place.at < source_.size();
    for (const std::uint64_t size : dataset.shape) {
      fits = fits && size <= source_.size() / elements;  // so the product stays below the file's size
      elements = fits ? elements * size : 1;
    }
    fits = fits && elements <= (source_.size() - place.at) / size_of(dataset.element);
    if (!fits)
      messages.layout->refuse(
          fmt::format("/{} claims {} elements at byte {}, but the file has {} bytes", name,
                      dataset.shape.empty() ? "1" : fmt::format("{}", fmt::join(dataset.shape, " x ")),
                      place.at == kHdf5Nowhere ? "nowhere" : std::to_string(place.at), source_.size()));
    const std::uint64_t bytes = elements * size_of(dataset.element);
    if (place.bytes != bytes)
      messages.layout->refuse(fmt::format("/{} stores {} bytes, expected {}", name, place.bytes, bytes));
    source_.claim(place.at, bytes, "a dataset's numbers");
    dataset.offset = static_cast<std::int64_t>(place.at);
    dataset.bytes = static_cast<std::int64_t>(bytes);
    return dataset;
  }

  // Puts the object's name before the errors of a function that does not know it.
  template <class Parse>
  static void named(const std::string& name, const Parse& parse) {
    try {
      parse();
    } catch (const DataError& error) {
      throw DataError(fmt::format("/{}: {}", name, error.fact()), error.where(), error.fix());
    }
  }

  Hdf5Source source_;
  Hdf5GlobalHeaps heaps_;
  Hdf5Groups groups_;
  std::size_t objects_ = 0;
  Hdf5Structure found_;
};

}  // namespace

Hdf5Structure read_hdf5_structure(const File& file, Hdf5Groups groups, std::string fix) {
  return StructureReader(file, groups, std::move(fix)).read();
}

}  // namespace trellis
