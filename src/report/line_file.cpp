#include "report/line_file.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

#include "base/errors.h"
#include "storage/file_system.h"

namespace trellis {
namespace {

[[noreturn]] void fail(const std::string& doing, const std::string& path) {
  const int error = errno;
  throw WriteError(fmt::format("cannot {}: {}", doing, std::strerror(error)), path, write_remedy(error));
}

// The length of the file up to and with its last line feed.
off_t whole_lines(int file, const std::string& path) {
  off_t end = lseek(file, 0, SEEK_END);
  if (end < 0) fail("find the end of the file", path);
  char block[4096];
  while (end > 0) {
    const off_t begin = end > off_t{sizeof block} ? end - off_t{sizeof block} : 0;
    const ssize_t got = pread(file, block, static_cast<std::size_t>(end - begin), begin);
    if (got != end - begin) fail("read the end of the file", path);
    for (ssize_t i = got; i-- > 0;) {
      if (block[i] == '\n') return begin + i + 1;
    }
    end = begin;
  }
  return 0;
}

std::size_t bytes_of(const std::deque<std::string>& lines) {
  std::size_t bytes = 0;
  for (const std::string& line : lines) bytes += line.size();
  return bytes;
}

}  // namespace

LineFile::LineFile(const std::filesystem::path& path, Tell tell, std::size_t most_bytes_waiting)
    : path_(path.string()),
      tell_(std::move(tell)),
      most_bytes_waiting_(most_bytes_waiting),
      file_(open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666)) {
  if (file_ < 0) fail("open the file to append to it", path_);
  try {
    struct stat status {};
    if (fstat(file_, &status) != 0) fail("look at the file", path_);
    regular_ = S_ISREG(status.st_mode);
    if (!regular_) return;
    synced_end_ = whole_lines(file_, path_);
    if (synced_end_ < status.st_size && ftruncate(file_, synced_end_) != 0) fail("cut the torn last line off the file", path_);
  } catch (...) {
    close(file_);
    throw;
  }
}

LineFile::~LineFile() {
  tell_ = [](LogLevel, const std::string&) {};  // whom it would tell may be gone
  try {
    write_waiting();
  } catch (...) {  // no memory
  }
  close(file_);
}

void LineFile::append(std::string line) {
  if (waiting_bytes_ + line.size() > most_bytes_waiting_) {
    write_waiting();  // perhaps there is room by now
    if (waiting_bytes_ + line.size() > most_bytes_waiting_) {
      if (left_out_++ == 0) {
        tell_(LogLevel::warning, fmt::format("{}: {} lines wait to be written, and there is no memory for more: later ones are left out", path_, waiting_.size()));
      }
      return;
    }
  }
  waiting_bytes_ += line.size();
  waiting_.push_back(std::move(line));
  write_waiting();
}

void LineFile::write_waiting() {
  const std::size_t late = waiting_.size();
  while (!waiting_.empty()) {
    std::string rest = waiting_.front();
    if (!write_whole(rest)) {
      waiting_bytes_ -= waiting_.front().size() - rest.size();
      waiting_.front() = std::move(rest);
      tell_trouble("append to it");
      return;
    }
    torn_ = false;
    waiting_bytes_ -= waiting_.front().size();
    unsynced_bytes_ += waiting_.front().size();
    unsynced_.push_back(std::move(waiting_.front()));
    waiting_.pop_front();
  }
  if (unsynced_bytes_ > most_bytes_waiting_) {  // too much to be kept for a failed fsync
    unsynced_.clear();
    unsynced_bytes_ = 0;
    synced_end_ = lseek(file_, 0, SEEK_END);
  }
  if (!in_trouble_) return;
  in_trouble_ = false;
  tell_(LogLevel::warning, fmt::format("{} can be written again: {} line(s) that had waited are there now", path_, late));
}

bool LineFile::write_whole(std::string& line) {
  const off_t begin = regular_ ? lseek(file_, 0, SEEK_END) : 0;
  ssize_t written = 0;
  do {
    written = ::write(file_, line.data(), line.size());
  } while (written < 0 && errno == EINTR);
  if (written == static_cast<ssize_t>(line.size())) return true;
  error_ = written < 0 ? errno : ENOSPC;
  if (written <= 0) return false;
  if (!torn_ && regular_ && begin >= 0 && ftruncate(file_, begin) == 0) return false;
  line.erase(0, static_cast<std::size_t>(written));  // what cannot be taken back is gone on with
  torn_ = true;
  return false;
}

void LineFile::sync() {
  write_waiting();
  if (!regular_) return;
  error_ = bring_data_to_disk(file_, path_);
  if (error_ == 0) {
    synced_end_ = lseek(file_, 0, SEEK_END);
    unsynced_.clear();
    unsynced_bytes_ = 0;
    return;
  }
  // What the system could not bring to the disk it forgets. All since the last good fsync is taken off and written anew.
  const int error = error_;
  tell_trouble("bring it to the disk (fsync)");
  if (torn_ || ftruncate(file_, synced_end_) != 0) return;
  error_ = error;
  waiting_.insert(waiting_.begin(), std::make_move_iterator(unsynced_.begin()), std::make_move_iterator(unsynced_.end()));
  waiting_bytes_ = bytes_of(waiting_);
  unsynced_.clear();
  unsynced_bytes_ = 0;
}

void LineFile::tell_trouble(const std::string& tried) {
  if (std::exchange(in_trouble_, true)) return;
  tell_(LogLevel::warning,
        fmt::format("{}: cannot {}: {}\n  the run goes on; lines wait in memory and are written when that works again\n  fix:   {}", path_, tried,
                    std::strerror(error_), write_remedy(error_)));
}

void LineFile::expect_all_written() {
  write_waiting();
  if (waiting_.empty() && left_out_ == 0) return;
  throw WriteError(fmt::format("{} line(s) could not be written{}: {}", waiting_.size() + static_cast<std::size_t>(left_out_),
                               left_out_ > 0 ? fmt::format(", {} of them for want of memory to keep them", left_out_) : "", std::strerror(error_)),
                   path_, write_remedy(error_));
}

}  // namespace trellis
