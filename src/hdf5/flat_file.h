// The one kind of HDF5 file that a corpus holds: a root group with contiguous datasets of unsigned little-endian
// integers in one to three dimensions and fixed-length string attributes, nothing else.
//
// libhdf5 writes the structure of new files (flat_file_create.cpp, the only place of this folder that calls it) and
// never sees a file again: reading is hdf5/structure.h. The numbers themselves are written and read by offset
// (pread, pwrite), so a full disk never meets HDF5 with data at hand. Debian's parallel HDF5 is not thread-safe: only
// one thread of a process may be in create_flat_file (or anywhere else in HDF5) at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "storage/file.h"

namespace trellis {

enum class Element { u8 = 1, u32 = 4, u64 = 8 };  // unsigned, little-endian; the value is the size in bytes
constexpr std::int64_t size_of(Element element) { return static_cast<std::int64_t>(element); }

// A dataset of shape [count, row...]: `count` rows that lie one behind the other.
struct FlatDataset {
  std::string name;  // in the root group, without "/"
  Element element;
  std::int64_t count = 0;           // >= 1
  std::int64_t offset = 0;          // of the first element in the file, in bytes
  std::vector<std::int64_t> row{};  // shape of a row, each dimension >= 1, at most two; empty: a row is one element
  std::int64_t row_bytes() const;
};

using FlatAttributes = std::map<std::string, std::string>;
inline constexpr std::size_t kMaxFlatAttributeBytes = 256;

// Creates the file with the structure of `datasets` (offsets are filled in) and `attributes`, its numbers still zero.
// The same arguments give the same bytes. Throws WriteError.
void create_flat_file(const std::filesystem::path& path, std::vector<FlatDataset>& datasets,
                      const FlatAttributes& attributes);

// Opening policy. Accepts a file only if hdf5/structure.h does and its root group holds exactly the datasets
// named in `allowed` (names, element types and rows; count and offset are ignored) and exactly the attributes named in
// `attributes`, each of at most kMaxFlatAttributeBytes printable ASCII characters. Returns the datasets with count and
// offset, and assigns the attributes' values. Calls no HDF5. Throws DataError.
std::vector<FlatDataset> inspect_flat_file(const File& file, std::vector<FlatDataset> allowed,
                                           FlatAttributes& attributes);

}  // namespace trellis
