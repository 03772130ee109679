#include "checkpoint/block_hash.h"

#include <algorithm>
#include <vector>
#include <xxhash.h>

#include "base/stop_request.h"
#include "mpi/agreement.h"
#include "plan/shard_range.h"

namespace trellis::checkpoint {
namespace {

std::string hex(const XXH128_canonical_t& digest) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const unsigned char byte : digest.digest) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

XXH128_canonical_t digest_of(const void* data, std::size_t size) {
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, XXH3_128bits(data, size));
  return canonical;
}

}  // namespace

std::string hash_of_text(std::string_view text) { return hex(digest_of(text.data(), text.size())); }

std::string hash_of_file(const Communicator& communicator, const std::filesystem::path& path, std::int64_t size) {
  const std::int64_t blocks = (size + kHashBlockBytes - 1) / kHashBlockBytes;
  const Range mine = shard_range(blocks, communicator.size(), communicator.rank());
  const std::string digests = agree(communicator, [&] {
    std::string own;
    if (mine.empty()) return own;
    const File file = File::open_to_read(path, Links::refuse);
    std::vector<std::byte> block(static_cast<std::size_t>(std::min(size, kHashBlockBytes)));
    for (std::int64_t b = mine.begin; b < mine.end; ++b) {
      throw_if_stop_requested();
      const std::int64_t offset = b * kHashBlockBytes;
      const std::span<std::byte> part(block.data(), static_cast<std::size_t>(std::min(kHashBlockBytes, size - offset)));
      file.read_at(offset, part);
      const XXH128_canonical_t digest = digest_of(part.data(), part.size());
      own.append(reinterpret_cast<const char*>(digest.digest), sizeof digest.digest);
    }
    return own;
  });
  std::string all;
  for (const std::string& part : communicator.gather(digests, 0)) all += part;
  return communicator.broadcast(communicator.rank() == 0 ? hash_of_text(all) : std::string(), 0);
}

}  // namespace trellis::checkpoint
