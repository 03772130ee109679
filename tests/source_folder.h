// Where the project's own files lie, for tests that read golden ones: SOURCE_DIR, which ctest sets. Not __FILE__: that is
// relative to the build folder, so that all clones share the compiler's cache.
#pragma once

#include <cstdlib>
#include <filesystem>

namespace trellis {

inline std::filesystem::path source_folder() {
  const char* const folder = std::getenv("SOURCE_DIR");
  return folder != nullptr ? folder : ".";  // run by hand: from the project's own folder
}

}  // namespace trellis
