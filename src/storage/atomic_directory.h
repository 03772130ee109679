// A directory that appears whole or not at all: built under a hidden name beside its place, renamed when everything in
// it is safely on the disk. Destroyed before commit(), it removes what it made. What a killed process left is removed
// by the next one for the same place: an unfinished directory is locked while its process lives.
#pragma once

#include <filesystem>

#include "storage/file.h"

namespace trellis {

class AtomicDirectory {
 public:
  // Throws OutputExistsError (73) when `place` exists, WriteError (74) when nothing can be made there. Parent
  // directories are made.
  explicit AtomicDirectory(std::filesystem::path place);
  ~AtomicDirectory();
  AtomicDirectory(const AtomicDirectory&) = delete;
  AtomicDirectory& operator=(const AtomicDirectory&) = delete;

  // Where files are to be written; each must be synced by its writer.
  const std::filesystem::path& path() const { return building_; }
  // Brings the directory to the disk and gives it its name. Throws like the constructor.
  void commit();

 private:
  void remove_leftovers() const;
  std::filesystem::path place_, building_;
  int lock_ = -1;
};

}  // namespace trellis
