// A file that appears whole or not at all: written under a hidden name beside its place,
// and given its name when its bytes are safely on the disk. Destroyed before commit(), it removes what it made. What a
// killed process left is removed by the next one for the same place: an unfinished file is locked while its process
// lives. storage/atomic_directory.h is the same for directories.
#pragma once

#include <filesystem>

#include "storage/file.h"

namespace trellis {

// What becomes of a file that has the name already.
enum class Former { refused, replaced };

class AtomicFile {
 public:
  // Throws OutputExistsError (73) when there is anything at `place` and it is to be refused, WriteError (74) when nothing can be made
  // beside it; its folder must exist.
  explicit AtomicFile(const std::filesystem::path& place, Former former = Former::refused);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  const File& file() const { return file_; }  // to be written
  // Brings the file to the disk and gives it its name. Throws like the constructor; after that there is no file.
  void commit();

 private:
  void give_name();
  Former former_;
  std::filesystem::path place_;
  File file_;
  bool unfinished_ = true;
};

}  // namespace trellis
