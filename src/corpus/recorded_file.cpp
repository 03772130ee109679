#include "corpus/recorded_file.h"

#include <fmt/core.h>

#include "base/errors.h"
#include "storage/content_hash.h"

namespace trellis {

File open_recorded(const std::filesystem::path& path, std::int64_t bytes, const std::string& xxh3_128, Verify verify) {
  File file = File::open_to_read(path, Links::refuse);
  if (file.size() != bytes)
    throw DataError(fmt::format("has {} bytes, the manifest says {}", file.size(), bytes), path.string(),
                    kMakeCorpusAgain);
  if (verify == Verify::hash) {
    if (const std::string found = hash_of(file); found != xxh3_128)
      throw DataError(fmt::format("is damaged: its hash is {}, the manifest says {}", found, xxh3_128), path.string(),
                      kMakeCorpusAgain);
  }
  return file;
}

}  // namespace trellis
