// Whole texts, bounded.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "storage/file.h"

namespace trellis {

// A regular file of at most `largest` bytes; symbolic links are refused. Throws what File does, DataError for a larger one with
// `fix_for_larger`.
std::string read_text(const std::filesystem::path& path, std::int64_t largest, const std::string& fix_for_larger);

// Everything up to the end of what may be a pipe, a terminal or a device, whose end shows only where it ends; but no more than one
// block above `largest` bytes, from which the caller knows that there is more. Looks for requests to stop while it waits (StopRequested).
// Returns the errno of a failed read, 0 otherwise.
[[nodiscard]] int read_to_end(int descriptor, std::int64_t largest, std::string& text);

}  // namespace trellis
