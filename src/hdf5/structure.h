// The door for every HDF5 file that somebody else may have made: all its structure, checked before any of it is
// believed, without libhdf5, which crashes on some files that were made to crash it. A file is read only if it is of
// the narrow kind that our writers make: groups, contiguous datasets of plain little-endian numbers, strings as
// attributes of the root group (docs/formats.md, "What a reader takes of HDF5"). Everything else is refused, with the
// byte where it stands; no two structures may share a byte. Memory and time are proportional to the structures' bytes.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "hdf5/header_messages.h"
#include "storage/file.h"

namespace trellis {

struct Hdf5Dataset {
  std::string name;  // path from the root group: "tokens", "step0/masks/hidden"
  Hdf5Element element = Hdf5Element::u8;
  std::vector<std::uint64_t> shape;  // empty for a single number; dimensions are at least 1
  std::int64_t offset = 0;           // of the first element in the file
  std::int64_t bytes = 0;            // all within the file, shared with nothing
};

struct Hdf5Attribute {
  std::string name, value;  // up to the first NUL; any bytes
};

struct Hdf5Structure {
  std::vector<Hdf5Attribute> attributes;  // of the root group
  std::vector<Hdf5Dataset> datasets;      // in order of names within a group of HDF5's earliest format, else in any
  std::vector<std::string> groups;        // without the root group
};

// Which groups a file may have besides its root.
enum class Hdf5Groups { none, nested };

// Reads the structure of `file`, which ends at its present size. `fix` is what errors tell the user to do. Throws
// DataError; what storage/file.h throws when the system cannot read.
Hdf5Structure read_hdf5_structure(const File& file, Hdf5Groups groups, std::string fix);

}  // namespace trellis
