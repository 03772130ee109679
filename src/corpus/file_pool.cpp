#include "corpus/file_pool.h"

#include <algorithm>
#include <cerrno>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

#include "base/errors.h"
#include "base/system_error.h"

namespace trellis {

std::size_t default_open_files() {
  constexpr rlim_t least = 8, most = 1024;
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return most;
  return static_cast<std::size_t>(std::clamp(limit.rlim_cur / 8, least, most));
}

FilePool::FilePool(std::size_t most_open) : most_open_(most_open) {
  require(most_open >= 1, "a pool of files keeps one open at least");
}

FilePool::~FilePool() {
  for (const Slot& slot : slots_)
    if (const int descriptor = slot.descriptor.load(); descriptor >= 0) ::close(descriptor);
}

FilePool::Identity FilePool::identity_of(const File& file) {
  struct stat status {};
  if (::fstat(file.descriptor(), &status) != 0) throw_unreadable(file.path(), errno);
  return {status.st_dev, status.st_ino, status.st_size,
          status.st_mtim.tv_sec * std::int64_t{1'000'000'000} + status.st_mtim.tv_nsec};
}

std::size_t FilePool::add(File file) {
  Slot& slot = slots_.emplace_back(file.path(), identity_of(file));
  if (open_ < most_open_) {
    slot.descriptor = std::move(file).release();
    ++open_;
  }
  return slots_.size() - 1;
}

// A use of a slot. Who closes takes the descriptor out of the slot first and looks for readers then, and a reader counts
// itself before it looks for the descriptor: one of the two sees the other (both in sequentially consistent order).
class FilePool::Reading {
 public:
  Reading(const FilePool& pool, Slot& slot) : slot_(slot) {
    slot_.readers.fetch_add(1);
    descriptor_ = slot_.descriptor.load();
    if (descriptor_ < 0) {
      try {
        descriptor_ = pool.open(slot_);
      } catch (...) {
        slot_.readers.fetch_sub(1);
        throw;
      }
    }
    if (!slot_.used.load(std::memory_order_relaxed)) slot_.used.store(true, std::memory_order_relaxed);
  }
  Reading(const Reading&) = delete;
  ~Reading() { slot_.readers.fetch_sub(1, std::memory_order_release); }
  int descriptor() const { return descriptor_; }

 private:
  Slot& slot_;
  int descriptor_ = -1;
};

void FilePool::read_at(std::size_t number, std::int64_t offset, std::span<std::byte> into) const {
  Slot& slot = slots_[number];
  if (slots_.size() <= most_open_)  // all are open and stay so
    return read_file_at(slot.descriptor.load(std::memory_order_relaxed), slot.path, offset, into);
  const Reading reading(*this, slot);
  read_file_at(reading.descriptor(), slot.path, offset, into);
}

// For a reader that is counted already, so nobody closes what it is given.
int FilePool::open(Slot& slot) const {
  const std::lock_guard lock(opening_);
  // by another thread, or given back by one that wanted to close it
  if (const int descriptor = slot.descriptor.load(); descriptor >= 0) return descriptor;
  while (open_ >= most_open_ && close_one()) {
  }
  File file = open_file(slot);
  if (identity_of(file) != slot.identity)
    throw DataError("was changed or replaced while it was in use", slot.path.string(),
                    "leave the corpus alone while it is in use, and run again");
  ++open_;
  return slot.descriptor = std::move(file).release();
}

// Where the rest of the process has taken too many, ours are closed until this one can be opened.
File FilePool::open_file(const Slot& slot) const {
  while (true) {
    try {
      return File::open_to_read(slot.path, Links::refuse);
    } catch (const TooManyFilesError&) {
      if (!close_one()) throw;
    }
  }
}

// Closes a file that was not used since the hand came by last (the clock algorithm); false where all are being read.
bool FilePool::close_one() const {
  for (std::size_t passed = 0; passed < 2 * slots_.size(); ++passed) {
    Slot& slot = slots_[hand_];
    hand_ = (hand_ + 1) % slots_.size();
    if (slot.descriptor.load() < 0 || slot.used.exchange(false, std::memory_order_relaxed)) continue;
    const int descriptor = slot.descriptor.exchange(-1);
    if (slot.readers.load() != 0) {
      slot.descriptor = descriptor;
      continue;
    }
    ::close(descriptor);
    --open_;
    return true;
  }
  return false;
}

}  // namespace trellis
