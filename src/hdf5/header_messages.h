// What the messages of object headers say, of the kinds that occur in files of ours. Each function takes the body of
// one message to its end and refuses what our writers never write: other versions, storage in chunks, in the header, in
// other files or in other datasets, sizes that can grow, links that are not plain names of an object.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hdf5/cursor.h"
#include "hdf5/object_header.h"

namespace trellis {

// The element types of our files, little-endian.
enum class Hdf5Element { u8, u32, u64, i64, f32, f64 };
std::uint64_t size_of(Hdf5Element element);
const char* name_of(Hdf5Element element);  // "little-endian uint32"

// Dimensions of a dataset, none for a scalar; all at least 1 and fixed.
std::vector<std::uint64_t> parse_hdf5_dataspace(Hdf5Cursor body);

Hdf5Element parse_hdf5_element(Hdf5Cursor body);

// No value but zeros.
void parse_hdf5_fill_value(Hdf5Cursor body);

struct Hdf5Place {
  std::uint64_t at = 0, bytes = 0;  // `at` is kHdf5Nowhere where nothing was allocated
};
Hdf5Place parse_hdf5_layout(Hdf5Cursor body);

// An attribute that holds one string, either in the message or, as h5py writes them, in a global heap.
struct Hdf5StringMessage {
  std::string name;
  std::optional<std::string> value;  // absent: in the heap
  std::uint64_t heap = 0, length = 0, index = 0;
  std::uint64_t at = 0;  // of the message
};
Hdf5StringMessage parse_hdf5_attribute(Hdf5Cursor body);

struct Hdf5Link {
  std::string name;
  std::uint64_t object = 0;  // address of its header
};
Hdf5Link parse_hdf5_link(Hdf5Cursor& body);  // goes on behind the link

// Where a group keeps its links: nowhere but in messages, or in a heap with an index.
struct Hdf5LinkStorage {
  std::uint64_t heap = kHdf5Nowhere, index = kHdf5Nowhere;
  bool dense() const { return heap != kHdf5Nowhere; }
};
Hdf5LinkStorage parse_hdf5_link_info(Hdf5Cursor body);
void parse_hdf5_group_info(Hdf5Cursor body);
void parse_hdf5_attribute_info(Hdf5Cursor body);

struct Hdf5SymbolTable {
  std::uint64_t tree = 0, heap = 0;
  bool operator==(const Hdf5SymbolTable&) const = default;
};
Hdf5SymbolTable parse_hdf5_symbol_table(Hdf5Cursor body);

// Refuses a name that is empty, longer than 255 bytes, or has other characters than A-Z a-z 0-9 . _ -, so that a name
// may stand in messages and leads nowhere.
void check_hdf5_name(std::string_view name, const Hdf5Cursor& where);

}  // namespace trellis
