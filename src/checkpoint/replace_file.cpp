#include "checkpoint/replace_file.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <unistd.h>

#include "base/errors.h"
#include "base/storage.h"
#include "checkpoint/files.h"

namespace trellis::checkpoint {

void replace_file(const std::filesystem::path& path, const std::string& text) {
  const std::filesystem::path unfinished = path.parent_path() / (".tmp-" + path.filename().string());
  ::unlink(unfinished.c_str());  // of a process that was killed
  const File file = File::create(unfinished);
  try {
    file.write_at(0, std::as_bytes(std::span(text)));
    file.sync();
    if (::rename(unfinished.c_str(), path.c_str()) != 0) {
      throw WriteError(std::string("cannot give the finished file its name: ") + std::strerror(errno), path.string(), write_remedy(errno));
    }
  } catch (...) {
    ::unlink(unfinished.c_str());
    throw;
  }
  sync_directory(path.parent_path().empty() ? "." : path.parent_path());
}

}  // namespace trellis::checkpoint
