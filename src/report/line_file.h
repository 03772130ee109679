// A file of text lines that a long run appends to, whatever the disk does meanwhile. Every line is appended whole, by one
// write(2), and in order. What cannot be written (disk or quota full, a limit on file sizes, an error of the file server)
// waits in memory and is written before the next line, as soon as that works; what the system lost after all (fsync failed:
// network file systems tell then) is taken off the file and waits, too. Both are told once, and once more when it works
// again. One process writes.
#pragma once

#include <cstdint>
#include <deque>
#include <filesystem>
#include <functional>
#include <string>

#include "base/log.h"

namespace trellis {

using Tell = std::function<void(LogLevel, const std::string&)>;

class LineFile {
 public:
  static constexpr std::size_t kMostBytesWaiting = 64 << 20;  // later lines are left out, and counted

  // Opens for appending, or creates; the folder must exist. A last line without line feed, which a crash of the machine has
  // torn, is cut off. Throws WriteError.
  LineFile(const std::filesystem::path& path, Tell tell, std::size_t most_bytes_waiting = kMostBytesWaiting);
  ~LineFile();
  LineFile(const LineFile&) = delete;
  LineFile& operator=(const LineFile&) = delete;

  // `line` ends with a line feed.
  void append(std::string line);
  // Returns when what could be written is on the disk, or tells that it is not.
  void sync();
  // Tries once more. Throws WriteError unless every line that was given is in the file.
  void expect_all_written();

 private:
  void write_waiting();
  bool write_whole(std::string& line);  // else leaves in it what is still to be written, and the reason in error_
  void tell_trouble(const std::string& tried);

  std::string path_;
  Tell tell_;
  std::size_t most_bytes_waiting_;
  int file_ = -1;
  bool regular_ = true;
  std::deque<std::string> waiting_;   // to be written
  std::deque<std::string> unsynced_;  // written, perhaps not yet on the disk
  std::size_t waiting_bytes_ = 0, unsynced_bytes_ = 0;
  std::int64_t synced_end_ = 0;  // the file's length when it was last on the disk
  std::int64_t left_out_ = 0;    // lines that found no room in memory
  bool torn_ = false;            // the first waiting line is the rest of one that has begun in the file
  bool in_trouble_ = false;      // and told so
  int error_ = 0;                // errno of the last failure
};

}  // namespace trellis
