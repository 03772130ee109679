// Many files to read from, of which only some are open at a time: a corpus may have more shards than a process may open files.
// A file stays open while it is in use; one that is opened again must be the very file that was added. Where all fit, all stay
// open and reading costs what it costs from a File. Reading is for any number of threads, adding for one.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <mutex>
#include <span>
#include <utility>

#include "storage/file.h"

namespace trellis {

// As many as leave the rest of the process plenty: an eighth of what it may open (ulimit -n), between 8 and 1024.
std::size_t default_open_files();

class FilePool {
 public:
  explicit FilePool(std::size_t most_open = default_open_files());
  FilePool(const FilePool&) = delete;
  ~FilePool();

  // The file's number, from 0 on. It is closed where too many are open already.
  std::size_t add(File file);
  std::size_t size() const { return slots_.size(); }
  std::size_t open_files() const { return open_; }
  const std::filesystem::path& path(std::size_t number) const { return slots_[number].path; }

  // As File::read_at. DataError, too, where another file has taken its place or its content was changed since it was added.
  void read_at(std::size_t number, std::int64_t offset, std::span<std::byte> into) const;

 private:
  // What makes a file another one.
  struct Identity {
    std::uint64_t device = 0, inode = 0;
    std::int64_t size = 0, modified_ns = 0;
    bool operator==(const Identity&) const = default;
  };
  struct Slot {
    Slot(std::filesystem::path of, Identity is) : path(std::move(of)), identity(is) {}
    std::filesystem::path path;
    Identity identity;
    std::atomic<int> descriptor{-1};
    std::atomic<int> readers{0};
    std::atomic<bool> used{false};  // since the hand came by last
  };
  class Reading;

  static Identity identity_of(const File& file);
  int open(Slot& slot) const;
  File open_file(const Slot& slot) const;
  bool close_one() const;

  std::size_t most_open_;
  mutable std::deque<Slot> slots_;
  mutable std::mutex opening_;  // held to open or close
  mutable std::atomic<std::size_t> open_{0};
  mutable std::size_t hand_ = 0;  // of the clock that chooses what is closed
};

}  // namespace trellis
