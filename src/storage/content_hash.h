// XXH3-128 of files and byte streams, as 32 hexadecimal digits (the form that `xxhsum -H2` prints). It finds accidents
// - cut, flipped or swapped bytes - at gigabytes a second; it is no signature against someone who rewrites hash and
// file.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "storage/file.h"

struct XXH3_state_s;

namespace trellis {

class ContentHash {
 public:
  ContentHash();
  ~ContentHash();
  ContentHash(const ContentHash&) = delete;
  ContentHash& operator=(const ContentHash&) = delete;
  void add(std::span<const std::byte> bytes);
  void add(std::string_view bytes) { add(std::as_bytes(std::span(bytes.data(), bytes.size()))); }
  std::string hex() const;

 private:
  struct Free {
    void operator()(XXH3_state_s* state) const noexcept;
  };
  std::unique_ptr<XXH3_state_s, Free> state_;
};

// The whole file, read in small pieces. Throws StopRequested when a signal asks this process to stop.
std::string hash_of(const File& file);

bool is_hash(std::string_view text);  // 32 lower-case hexadecimal digits

}  // namespace trellis
