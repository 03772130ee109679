#include "storage/atomic_directory.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>
#include <utility>
#include <vector>

#include "base/errors.h"
#include "base/log.h"
#include "base/system_error.h"
#include "storage/directory.h"
#include "storage/file_system.h"

namespace trellis {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void throw_exists(const fs::path& place) {
  throw OutputExistsError("the output exists already", place.string(),
                          "choose another --output, or remove this one first");
}

// ".tmp-wt103-" for a place named wt103.
std::string prefix_of(const fs::path& place) { return ".tmp-" + place.filename().string() + "-"; }

}  // namespace

AtomicDirectory::AtomicDirectory(fs::path place) : place_(fs::absolute(place).lexically_normal()) {
  if (!place_.has_filename()) place_ = place_.parent_path();  // "data/wt103/"
  std::error_code error;
  if (fs::exists(fs::symlink_status(place_, error))) throw_exists(place_);
  fs::create_directories(place_.parent_path(), error);
  if (error) throw_write_error(place_.parent_path(), "create this directory", error.value());
  remove_leftovers();
  std::string name = (place_.parent_path() / (prefix_of(place_) + "XXXXXX")).string();
  if (::mkdtemp(name.data()) == nullptr) throw_write_error(place_.parent_path(), "create a directory here", errno);
  building_ = name;
  lock_ = ::open(building_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (lock_ >= 0) lock_unfinished(lock_, building_, Waiting::no);
  const mode_t mask = ::umask(0);
  ::umask(mask);
  ::chmod(building_.c_str(), 0777 & ~mask);  // mkdtemp makes it private; a corpus is shared like any other output
}

AtomicDirectory::~AtomicDirectory() {
  if (!building_.empty()) {
    std::error_code error;
    fs::remove_all(building_, error);
    if (error) log_warning("cannot remove the unfinished {}: {}", building_.string(), error.message());
  }
  if (lock_ >= 0) ::close(lock_);
}

void AtomicDirectory::commit() {
  sync_directory(building_);
  if (::renameat2(AT_FDCWD, building_.c_str(), AT_FDCWD, place_.c_str(), RENAME_NOREPLACE) != 0) {
    if (errno == EEXIST || errno == ENOTEMPTY) throw_exists(place_);
    // Some network file systems know no RENAME_NOREPLACE. A plain rename replaces nothing but an empty directory.
    if (errno != EINVAL && errno != ENOSYS) throw_write_error(place_, "give the finished directory its name", errno);
    if (::rename(building_.c_str(), place_.c_str()) != 0) {
      if (errno == EEXIST || errno == ENOTEMPTY || errno == ENOTDIR) throw_exists(place_);
      throw_write_error(place_, "give the finished directory its name", errno);
    }
  }
  building_.clear();
  sync_directory(place_.parent_path());
}

void AtomicDirectory::remove_leftovers() const {
  const std::string prefix = prefix_of(place_);
  std::vector<std::string> names;
  try {
    names = names_in_directory(place_.parent_path()).value_or(std::vector<std::string>());
  } catch (const MissingInputError&) {  // leftovers are in nobody's way
  }
  for (const std::string& name : names) {
    if (!name.starts_with(prefix) || name.size() != prefix.size() + 6) continue;
    const fs::path left = place_.parent_path() / name;
    const int descriptor = ::open(left.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (descriptor < 0) continue;
    if (lock_exclusively(descriptor, Waiting::no) == Locked::here) {  // its process has ended
      log_info("removing what an interrupted run left: {}", left.string());
      std::error_code error;
      fs::remove_all(left, error);
    }
    ::close(descriptor);
  }
}

}  // namespace trellis
