#include "hdf5/header_messages.h"

#include <algorithm>
#include <array>
#include <fmt/core.h>
#include <string_view>

namespace trellis {
namespace {

constexpr std::uint64_t kMostDimensions = 32;  // HDF5's own limit
constexpr std::uint64_t kLongestString = 1 << 16;

// An element type as its message has it: class and version, class bits, size, properties.
struct Encoding {
  Hdf5Element element;
  const char* name;
  std::uint64_t size;
  std::string_view bytes;
};
using namespace std::string_view_literals;
// Integers: no bit offset, all bits significant, bit 3 of the first class byte for a sign. Floats: IEEE, the implied
// leading bit, sign, exponent and mantissa where IEEE has them.
constexpr std::array<Encoding, 6> kEncodings{{
    {Hdf5Element::u8, "little-endian uint8", 1, "\x10\x00\x00\x00\x01\x00\x00\x00\x00\x00\x08\x00"sv},
    {Hdf5Element::u32, "little-endian uint32", 4, "\x10\x00\x00\x00\x04\x00\x00\x00\x00\x00\x20\x00"sv},
    {Hdf5Element::u64, "little-endian uint64", 8, "\x10\x00\x00\x00\x08\x00\x00\x00\x00\x00\x40\x00"sv},
    {Hdf5Element::i64, "little-endian int64", 8, "\x10\x08\x00\x00\x08\x00\x00\x00\x00\x00\x40\x00"sv},
    {Hdf5Element::f32, "little-endian float32", 4,
     "\x11\x20\x1f\x00\x04\x00\x00\x00\x00\x00\x20\x00\x17\x08\x00\x17\x7f\x00\x00\x00"sv},
    {Hdf5Element::f64, "little-endian float64", 8,
     "\x11\x20\x3f\x00\x08\x00\x00\x00\x00\x00\x40\x00\x34\x0b\x00\x34\xff\x03\x00\x00"sv},
}};

const Encoding& encoding_of(Hdf5Element element) { return *std::ranges::find(kEncodings, element, &Encoding::element); }

// What is left of a message that has been read: nothing, or the zeros up to a multiple of 8 of version 1.
void expect_end(const Hdf5Cursor& body, const char* what) {
  if (body.left() >= 8) body.refuse(fmt::format("{} goes on for {} bytes more than it should", what, body.left()));
}

std::uint64_t padded(std::uint64_t length, bool pads) { return pads ? (length + 7) / 8 * 8 : length; }

}  // namespace

std::uint64_t size_of(Hdf5Element element) { return encoding_of(element).size; }
const char* name_of(Hdf5Element element) { return encoding_of(element).name; }

void check_hdf5_name(std::string_view name, const Hdf5Cursor& where) {
  const auto plain = [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
           c == '-';
  };
  if (name.empty() || name.size() > 255 || !std::ranges::all_of(name, plain) || name == "." || name == "..")
    where.refuse("a name is empty, long, or has characters other than A-Z a-z 0-9 . _ -");
}

std::vector<std::uint64_t> parse_hdf5_dataspace(Hdf5Cursor body) {
  const std::uint64_t version = body.number(1, "a dataspace's version");
  if (version != 1 && version != 2) body.refuse(fmt::format("a dataspace has version {}, expected 1 or 2", version));
  const std::uint64_t rank = body.number(1, "a dataspace's rank");
  if (rank > kMostDimensions)
    body.refuse(fmt::format("a dataspace has {} dimensions, at most {} exist", rank, kMostDimensions));
  const std::uint64_t flags = body.number(1, "a dataspace's flags");
  if (flags > 1) body.refuse(fmt::format("a dataspace's flags are {:#x}, expected 0 or 1", flags));
  if (version == 1) {
    body.expect(1, 0, "a reserved byte");
    body.expect(4, 0, "reserved bytes");
  } else {
    body.expect(1, rank == 0 ? 0 : 1, "the kind of a dataspace (0 scalar, 1 simple)");
  }
  std::vector<std::uint64_t> shape;
  for (std::uint64_t i = 0; i < rank; ++i) {
    const Hdf5Cursor here = body;
    shape.push_back(body.number(8, "a dimension"));
    if (shape.back() == 0) here.refuse("a dimension is 0: the dataset holds nothing");
  }
  if (flags == 1)
    for (const std::uint64_t size : shape) {
      const Hdf5Cursor here = body;
      if (body.number(8, "a largest dimension") != size)
        here.refuse(fmt::format("a dimension has room to grow, expected a fixed size of {}", size));
    }
  expect_end(body, "a dataspace");
  return shape;
}

Hdf5Element parse_hdf5_element(Hdf5Cursor body) {
  for (const Encoding& encoding : kEncodings) {
    Hdf5Cursor trial = body;
    if (body.left() < encoding.bytes.size() || trial.text(encoding.bytes.size(), "a type") != encoding.bytes) continue;
    expect_end(trial, "an element type");
    return encoding.element;
  }
  body.refuse("another element type, expected plain little-endian uint8, uint32, uint64, int64, float32 or float64");
}

void parse_hdf5_fill_value(Hdf5Cursor body) {
  const std::uint64_t version = body.number(1, "a fill value's version");
  if (version < 1 || version > 3) body.refuse(fmt::format("a fill value has version {}, expected 1 to 3", version));
  if (version == 3) {
    constexpr std::uint64_t kTimes = 0x0f, kUndefined = 0x10;
    const std::uint64_t flags = body.number(1, "a fill value's flags");
    if ((flags & ~(kTimes | kUndefined)) != 0)
      body.refuse(fmt::format("a fill value's flags are {:#x}: it has a value", flags));
  } else {
    body.skip(2, "a fill value's times");
    const std::uint64_t defined = body.number(1, "whether a fill value is defined");
    if (defined > 1) body.refuse(fmt::format("whether a fill value is defined is {}, expected 0 or 1", defined));
    if (version == 1 || defined == 1) body.expect(4, 0, "a fill value's size");
  }
  expect_end(body, "a fill value");
}

Hdf5Place parse_hdf5_layout(Hdf5Cursor body) {
  const Hdf5Cursor beginning = body;
  const std::uint64_t version = body.number(1, "a layout's version"), kind = body.number(1, "a layout's class");
  if (version == 3 || version == 4) {
    constexpr std::array<const char*, 4> names{"compact", "contiguous", "chunked", "a virtual dataset"};
    if (kind >= names.size()) beginning.refuse(fmt::format("has an unknown layout {}, expected contiguous data", kind));
    if (kind != 1) beginning.refuse(fmt::format("is {}, expected contiguous data", names[kind]));
  }
  if (version != 3) beginning.refuse(fmt::format("has a layout of version {}, expected 3", version));
  const std::uint64_t at = body.address("the address of data");
  const Hdf5Place place{at, body.number(8, "the size of data")};
  expect_end(body, "a layout");
  return place;
}

Hdf5StringMessage parse_hdf5_attribute(Hdf5Cursor body) {
  Hdf5StringMessage message;
  message.at = body.at();
  const std::uint64_t version = body.number(1, "an attribute's version");
  if (version < 1 || version > 3) body.refuse(fmt::format("an attribute has version {}, expected 1 to 3", version));
  body.expect(1, 0, "an attribute's flags");
  const std::uint64_t name_bytes = body.number(2, "the size of an attribute's name"),
                      type_bytes = body.number(2, "the size of an attribute's type"),
                      space_bytes = body.number(2, "the size of an attribute's dataspace");
  if (version == 3)
    if (const std::uint64_t charset = body.number(1, "the character set of an attribute's name"); charset > 1)
      body.refuse(fmt::format("the character set of an attribute's name is {}, expected 0 or 1", charset));
  const bool pads = version == 1;
  const Hdf5Cursor at_name = body;
  const std::string_view name = body.text(padded(name_bytes, pads), "an attribute's name").substr(0, name_bytes);
  if (name.empty() || name.back() != '\0') at_name.refuse("an attribute's name does not end with a zero");
  message.name = name.substr(0, name.size() - 1);
  check_hdf5_name(message.name, at_name);

  const auto not_a_string = [&](const Hdf5Cursor& where) {
    where.refuse(fmt::format("attribute '{}' is not a short string", message.name));
  };
  Hdf5Cursor type = body.part(padded(type_bytes, pads), "an attribute's type"),
             space = body.part(padded(space_bytes, pads), "an attribute's dataspace");
  const Hdf5Cursor at_type = type, at_space = space;
  constexpr std::uint64_t kFixedString = 0x13, kVariableLength = 0x19;  // class and version 1
  const std::uint64_t kind = type.number(1, "a type's class"), bits = type.number(3, "a type's class bits"),
                      size = type.number(4, "a type's size");
  if (!parse_hdf5_dataspace(space).empty())
    at_space.refuse(fmt::format("attribute '{}' has dimensions, expected one string", message.name));
  if (kind == kFixedString) {
    constexpr std::uint64_t kMostBits = 0x11;  // padded or ended by zeros; ASCII or UTF-8
    if ((bits & ~kMostBits) != 0 || size == 0 || size > kLongestString) not_a_string(at_type);
    expect_end(type, "a string type");
    const std::string_view text = body.text(size, "an attribute's value");
    message.value = text.substr(0, text.find('\0'));
  } else if (kind == kVariableLength) {
    constexpr std::uint64_t kString = 1, kUtf8 = 0x100;
    if ((bits & ~kUtf8) != kString || size != 16 || parse_hdf5_element(type) != Hdf5Element::u8) not_a_string(at_type);
    message.length = body.number(4, "the length of an attribute's value");
    message.heap = body.address("the heap of an attribute's value");
    message.index = body.number(4, "the index of an attribute's value");
    if (message.length == 0 || message.length > kLongestString) not_a_string(at_type);
  } else {
    not_a_string(at_type);
  }
  expect_end(body, "an attribute");
  return message;
}

Hdf5Link parse_hdf5_link(Hdf5Cursor& body) {
  const Hdf5Cursor beginning = body;
  body.expect(1, 1, "a link's version");
  const std::uint64_t flags = body.number(1, "a link's flags");
  constexpr std::uint64_t kWidthOfLength = 0x03, kHasKind = 0x08, kHasCharset = 0x10;
  if ((flags & ~(kWidthOfLength | kHasKind | kHasCharset)) != 0)
    beginning.refuse(fmt::format("a link's flags are {:#x}, expected no order of creation", flags));
  const std::uint64_t kind = (flags & kHasKind) != 0 ? body.number(1, "a link's kind") : 0;
  if ((flags & kHasCharset) != 0)
    if (const std::uint64_t charset = body.number(1, "a link's character set"); charset > 1)
      body.refuse(fmt::format("a link's character set is {}, expected 0 or 1", charset));
  const std::uint64_t length = body.number(1 << (flags & kWidthOfLength), "the length of a link's name");
  const Hdf5Cursor at_name = body;
  Hdf5Link link;
  link.name = body.text(length, "a link's name");
  check_hdf5_name(link.name, at_name);
  if (kind != 0)
    beginning.refuse(fmt::format("/{} is {}, expected a dataset in this file", link.name,
                                 kind == 1    ? "a soft link"
                                 : kind == 64 ? "an external link"
                                              : "a link of another kind"));
  link.object = body.address("a link's address");
  return link;
}

Hdf5LinkStorage parse_hdf5_link_info(Hdf5Cursor body) {
  body.expect(1, 0, "the version of a group's link info");
  body.expect(1, 0, "the flags of a group's link info");
  Hdf5LinkStorage storage;
  storage.heap = body.address("the heap of a group's links");
  storage.index = body.address("the index of a group's links");
  if ((storage.heap == kHdf5Nowhere) != (storage.index == kHdf5Nowhere))
    body.refuse("a group has a heap of links without their index, or an index without heap");
  expect_end(body, "a group's link info");
  return storage;
}

void parse_hdf5_group_info(Hdf5Cursor body) {
  body.expect(1, 0, "the version of a group's info");
  body.expect(1, 0, "the flags of a group's info");
  expect_end(body, "a group's info");
}

void parse_hdf5_attribute_info(Hdf5Cursor body) {
  body.expect(1, 0, "the version of attribute info");
  body.expect(1, 0, "the flags of attribute info");
  const Hdf5Cursor here = body;
  const std::uint64_t heap = body.address("the heap of attributes");
  if (heap != kHdf5Nowhere || body.address("the index of attributes") != kHdf5Nowhere)
    here.refuse("keeps attributes in a heap, expected a few in the header");
  expect_end(body, "attribute info");
}

Hdf5SymbolTable parse_hdf5_symbol_table(Hdf5Cursor body) {
  Hdf5SymbolTable table;
  table.tree = body.address("the tree of a group's symbols");
  table.heap = body.address("the heap of a group's names");
  expect_end(body, "a symbol table message");
  return table;
}

}  // namespace trellis
