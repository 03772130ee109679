#include "base/system_error.h"

#include <algorithm>
#include <cstring>
#include <dirent.h>
#include <memory>
#include <sys/stat.h>

namespace trellis {
namespace {

PathKind kind_of(mode_t mode) {
  if (S_ISDIR(mode)) return PathKind::directory;
  return S_ISREG(mode) ? PathKind::file : PathKind::other;
}

}  // namespace

bool says_absent(int error) { return error == ENOENT || error == ENOTDIR; }

std::string fix_for_reading(int error) {
  switch (error) {
    case ENOENT:
    case ENOTDIR:
    case ENAMETOOLONG:
      return "check the path";
    case EACCES:
    case EPERM:
      return "check its permissions and those of the folders above it";
    case EMFILE:
      return "too many files are open in this process: raise the limit (ulimit -n) and run again";
    case ENFILE:
      return "too many files are open on this machine: run again when others have ended, or raise fs.file-max";
    case EIO:
    case ESTALE:
    case ENXIO:
    case ENODEV:
    case ENOTCONN:
    case ETIMEDOUT:
    case EREMOTEIO:
    case EHOSTDOWN:
    case EHOSTUNREACH:
      return "the file system does not give it at the moment: look at its health (mount, system log) and run again";
    case ENOMEM:
      return "the machine has no memory left for it: free some and run again";
    case EINTR:
    case EAGAIN:
      return "the file system is busy: run again";
    case ELOOP:
      return "check the symbolic links of the path: they lead in a circle";
    default:
      return "check the path and the file system's health, and run again";
  }
}

void throw_unreadable(const std::filesystem::path& path, int error, const char* tried) {
  const std::string what = std::string("cannot be ") + tried + ": " + std::strerror(error);
  if (says_absent(error)) throw AbsentInputError(what, path.string(), fix_for_reading(error));
  if (error == EMFILE || error == ENFILE) throw TooManyFilesError(what, path.string(), fix_for_reading(error));
  throw MissingInputError(what, path.string(), fix_for_reading(error));
}

PathKind kind_of_path(const std::filesystem::path& path) {
  struct stat status {};
  if (uninterrupted([&] { return ::stat(path.c_str(), &status); }) == 0) return kind_of(status.st_mode);
  if (says_absent(errno)) return PathKind::absent;
  throw_unreadable(path, errno, "looked at");
}

PathKind kind_of_entry(const std::filesystem::path& path) {
  struct stat status {};
  if (uninterrupted([&] { return ::lstat(path.c_str(), &status); }) == 0) return kind_of(status.st_mode);
  if (says_absent(errno)) return PathKind::absent;
  throw_unreadable(path, errno, "looked at");
}

std::optional<std::vector<std::string>> names_in_directory(const std::filesystem::path& directory) {
  DIR* opened = nullptr;
  uninterrupted([&] { return (opened = ::opendir(directory.c_str())) == nullptr ? -1 : 0; });
  if (opened == nullptr && says_absent(errno)) return std::nullopt;
  if (opened == nullptr) throw_unreadable(directory, errno, "listed");
  const std::unique_ptr<DIR, int (*)(DIR*)> closed_at_end(opened, &::closedir);
  std::vector<std::string> names;
  while (true) {
    errno = 0;
    const dirent* const entry = ::readdir(opened);
    if (entry == nullptr && errno != 0) throw_unreadable(directory, errno, "listed");
    if (entry == nullptr) break;
    const std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back(name);
  }
  std::ranges::sort(names);
  return names;
}

}  // namespace trellis
