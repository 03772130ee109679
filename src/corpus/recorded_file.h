// A file of a corpus, opened only if it is the one that the manifest recorded.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "base/verify.h"
#include "storage/file.h"

namespace trellis {

// Opens `path` if it has `bytes` bytes and, with Verify::hash, the hash `xxh3_128`. Symbolic links are refused. Throws
// MissingInputError when it is not there, DataError when it is another.
File open_recorded(const std::filesystem::path& path, std::int64_t bytes, const std::string& xxh3_128, Verify verify);

// What has to be done about a file of a corpus that is not as it was written: the `fix` of its errors.
inline constexpr const char* kMakeCorpusAgain = "copy the corpus again, or make it again with trellis-preprocess";

}  // namespace trellis
