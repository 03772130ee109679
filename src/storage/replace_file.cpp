#include "storage/replace_file.h"

#include <span>

#include "storage/atomic_file.h"

namespace trellis {

void replace_file(const std::filesystem::path& path, const std::string& text) {
  AtomicFile replacement(path, Former::replaced);
  replacement.file().write_at(0, std::as_bytes(std::span(text)));
  replacement.commit();
}

}  // namespace trellis
