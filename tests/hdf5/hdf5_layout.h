// Where things stand in the HDF5 files that tests damage: messages of object headers, and blocks by their signature.
// For files of our own writers and of h5py only; the reader under test is not used.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string_view>
#include <vector>

#include "tests/hdf5/sealed_hdf5.h"

namespace trellis::testing_support {

struct MessagePlace {
  int type;
  std::size_t head, body, size;  // of the message in the file; `size` of its body
};

// All messages of the header at `at`, continuations followed.
inline std::vector<MessagePlace> messages_of(std::string_view bytes, std::size_t at) {
  const bool old = bytes[at] != 'O';
  std::vector<MessagePlace> found;
  std::vector<std::pair<std::size_t, std::size_t>> blocks;  // begin, end of messages
  if (old) {
    blocks.emplace_back(at + 16, at + 16 + number_at(bytes, at + 8, 4));
  } else {
    const auto flags = number_at(bytes, at + 5, 1);
    const std::size_t size_at = at + 6 + ((flags & 0x20) != 0 ? 16 : 0), width = std::size_t{1} << (flags & 3);
    blocks.emplace_back(size_at + width, size_at + width + number_at(bytes, size_at, static_cast<int>(width)));
  }
  const std::size_t head_bytes = old ? 8 : 4;
  for (std::size_t block = 0; block < blocks.size(); ++block)
    for (std::size_t here = blocks[block].first; here + head_bytes <= blocks[block].second;) {
      const MessagePlace message{static_cast<int>(number_at(bytes, here, old ? 2 : 1)), here, here + head_bytes,
                                 number_at(bytes, here + (old ? 2 : 1), 2)};
      found.push_back(message);
      if (message.type == 0x10) {
        const std::size_t begin = number_at(bytes, message.body, 8), size = number_at(bytes, message.body + 8, 8);
        blocks.emplace_back(old ? begin : begin + 4, old ? begin + size : begin + size - 4);
      }
      here = message.body + message.size;
    }
  return found;
}

// Message number `nth` of a type.
inline MessagePlace message_of(std::string_view bytes, std::size_t header, int type, int nth = 0) {
  for (const MessagePlace& message : messages_of(bytes, header))
    if (message.type == type && nth-- == 0) return message;
  throw std::logic_error("the file to damage has no such message");
}

inline std::size_t block_of(std::string_view bytes, std::string_view signature, int nth = 0) {
  std::size_t at = bytes.find(signature);
  while (nth-- > 0 && at != std::string_view::npos) at = bytes.find(signature, at + 1);
  if (at == std::string_view::npos) throw std::logic_error("the file to damage has no such block");
  return at;
}

}  // namespace trellis::testing_support
