#include "storage/content_hash.h"

#include <algorithm>
#include <fmt/core.h>
#include <new>
#include <vector>
#include <xxhash.h>

#include "base/stop_request.h"

namespace trellis {

void ContentHash::Free::operator()(XXH3_state_s* state) const noexcept { XXH3_freeState(state); }

ContentHash::ContentHash() : state_(XXH3_createState()) {
  if (!state_) throw std::bad_alloc();
  XXH3_128bits_reset(state_.get());
}
ContentHash::~ContentHash() = default;

void ContentHash::add(std::span<const std::byte> bytes) {
  XXH3_128bits_update(state_.get(), bytes.data(), bytes.size());
}

std::string ContentHash::hex() const {
  const XXH128_hash_t hash = XXH3_128bits_digest(state_.get());
  return fmt::format("{:016x}{:016x}", hash.high64, hash.low64);
}

std::string hash_of(const File& file) {
  ContentHash hash;
  std::vector<std::byte> buffer(1 << 20);
  std::int64_t offset = 0;
  while (const std::size_t got = file.read_some_at(offset, buffer)) {
    throw_if_stop_requested();
    hash.add(std::span(buffer).first(got));
    offset += static_cast<std::int64_t>(got);
  }
  return hash.hex();
}

bool is_hash(std::string_view text) {
  return text.size() == 32 &&
         std::all_of(text.begin(), text.end(), [](char c) { return ('0' <= c && c <= '9') || ('a' <= c && c <= 'f'); });
}

}  // namespace trellis
