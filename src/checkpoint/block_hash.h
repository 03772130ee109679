// The hash of a large file that many ranks can compute together. The file is cut into blocks of 4 MiB (the last may be
// shorter; an empty file has none). Each block's XXH3-128 (seed 0) is written in XXH's canonical, big-endian 16 bytes;
// the file's hash is the XXH3-128 of these digests one after the other in file order, as 32 lowercase hexadecimal
// digits.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "mpi/communicator.h"
#include "storage/file.h"

namespace trellis::checkpoint {

inline constexpr std::int64_t kHashBlockBytes = 4 << 20;

// XXH3-128 of one text, as 32 lowercase hexadecimal digits.
std::string hash_of_text(std::string_view text);

// Collective: each rank reads its share of the blocks of the same file. Every rank gets the hash, or throws the same
// error.
std::string hash_of_file(const Communicator& communicator, const std::filesystem::path& path, std::int64_t size);

}  // namespace trellis::checkpoint
