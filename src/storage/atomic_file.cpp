#include "storage/atomic_file.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <fmt/core.h>
#include <random>
#include <string>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>

#include "base/errors.h"
#include "base/log.h"
#include "storage/directory.h"
#include "storage/file_system.h"

namespace trellis {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kUniqueDigits = 16;

[[noreturn]] void throw_exists(const fs::path& place) {
  throw OutputExistsError("the output exists already", place.string(), "choose another name, or remove this one first");
}

fs::path checked_place(const fs::path& given, Former former) {
  std::error_code error;
  const fs::path place = fs::absolute(given, error);
  if (former == Former::refused && fs::exists(fs::symlink_status(place, error))) throw_exists(place);
  if (!place.has_filename())
    throw WriteError("is the name of a folder, expected that of a file", place.string(),
                     "give the name of the file to write");
  if (!fs::is_directory(place.parent_path(), error))
    throw WriteError("there is no such folder to write a file in", place.parent_path().string(), "make it first");
  return place;
}

// ".tmp-weights.safetensors-" for a place of that name; a file's name may have 255 bytes.
std::string prefix_of(const fs::path& place) { return ".tmp-" + place.filename().string().substr(0, 200) + "-"; }

void remove_leftovers(const fs::path& place) {
  const std::string prefix = prefix_of(place);
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(place.parent_path(), error)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with(prefix) || name.size() != prefix.size() + kUniqueDigits) continue;
    const int descriptor = ::open(entry.path().c_str(), O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
    if (descriptor < 0) continue;
    if (lock_exclusively(descriptor, Waiting::no) == Locked::here) {  // its process has ended
      log_info("removing what an interrupted run left: {}", entry.path().string());
      ::unlink(entry.path().c_str());
    }
    ::close(descriptor);
  }
}

File create_beside(const fs::path& place) {
  std::random_device random;
  while (true) {
    const std::string unique = fmt::format("{:08x}{:08x}", random(), random());
    File file = File::create(place.parent_path() / (prefix_of(place) + unique));
    lock_unfinished(file.descriptor(), file.path(), Waiting::yes);  // for whoever looks whether the file was left behind
    struct stat status {};
    // another process may have taken it for a leftover before it was locked
    if (::fstat(file.descriptor(), &status) != 0 || status.st_nlink > 0) return file;
  }
}

}  // namespace

AtomicFile::AtomicFile(const fs::path& place, Former former)
    : former_(former), place_(checked_place(place, former)), file_((remove_leftovers(place_), create_beside(place_))) {}

AtomicFile::~AtomicFile() {
  if (unfinished_ && ::unlink(file_.path().c_str()) != 0)
    log_warning("cannot remove the unfinished {}: {}", file_.path().string(),
                std::error_code(errno, std::generic_category()).message());
}

void AtomicFile::give_name() {
  if (former_ == Former::replaced) {
    if (::rename(file_.path().c_str(), place_.c_str()) != 0) throw_write_error(place_, "give the finished file its name", errno);
    unfinished_ = false;
    return;
  }
  if (::renameat2(AT_FDCWD, file_.path().c_str(), AT_FDCWD, place_.c_str(), RENAME_NOREPLACE) == 0) {
    unfinished_ = false;
  } else {
    if (errno == EEXIST) throw_exists(place_);
    // Some network file systems know no RENAME_NOREPLACE. A second name replaces nothing either; the first one is then
    // removed like that of an unfinished file.
    if (errno != EINVAL && errno != ENOSYS) throw_write_error(place_, "give the finished file its name", errno);
    if (::link(file_.path().c_str(), place_.c_str()) != 0) {
      if (errno == EEXIST) throw_exists(place_);
      throw_write_error(place_, "give the finished file its name", errno);
    }
  }
}

void AtomicFile::commit() {
  file_.sync();
  give_name();
  try {
    sync_directory(place_.parent_path());
  } catch (...) {
    if (former_ == Former::refused) ::unlink(place_.c_str());
    throw;
  }
}

}  // namespace trellis
