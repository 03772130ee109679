// The header of an object in an HDF5 file, versions 1 and 2: a list of messages in one block and in those that
// continue it. Read as a list here; hdf5/header_messages.h says what a message may be.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "hdf5/cursor.h"
#include "hdf5/source.h"

namespace trellis {

// Types of messages that occur in files of ours. Every other is refused by whoever meets it.
enum class Hdf5MessageType : std::uint16_t {
  nothing = 0x00,
  dataspace = 0x01,
  link_info = 0x02,
  datatype = 0x03,
  fill_value = 0x05,
  link = 0x06,
  external_files = 0x07,
  layout = 0x08,
  group_info = 0x0a,
  filters = 0x0b,
  attribute = 0x0c,
  continuation = 0x10,
  symbol_table = 0x11,
  modification_time = 0x12,
  attribute_info = 0x15,
};

struct Hdf5Message {
  Hdf5MessageType type;  // any number at all
  Hdf5Cursor body;
};

struct Hdf5ObjectHeader {
  int version = 0;  // 1: messages are padded to 8 bytes
  std::uint64_t at = 0;
  std::vector<std::vector<std::byte>> blocks;  // what the messages' bodies borrow
  std::vector<Hdf5Message> messages;           // without fillers and continuations
};

// Reads the header at `at`. Refuses wrong checksums, shared messages, an object that several names lead to, and more
// than a few thousand messages.
Hdf5ObjectHeader read_hdf5_object_header(Hdf5Source& source, std::uint64_t at);

}  // namespace trellis
