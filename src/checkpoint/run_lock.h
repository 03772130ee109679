// One job a run directory. The lock is flock() on run.lock, so it ends with the process however that dies, and a file
// that a dead job left is no obstacle; where a file system has none, the lock that fcntl() gives an open file. The file's
// text names the holder for the message. Linux carries flock over NFS as a lock of the server. On file systems without
// any locks (some Lustre mounts, NFS without its lock service) an owner file guards the run against jobs of the same
// machine (checkpoint/owner_file.h), and a warning says so.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "checkpoint/owner_file.h"
#include "mpi/communicator.h"
#include "storage/file.h"

namespace trellis {

class RunLock {
 public:
  // Collective; rank 0 takes the lock. Creates the directory if need be. When another job holds the lock every rank
  // throws OutputExistsError that names it; WriteError when the file cannot be made.
  RunLock(const Communicator& communicator, const std::filesystem::path& run_directory);
  RunLock(RunLock&&) = default;
  RunLock& operator=(RunLock&&) = default;

 private:
  void take(const std::filesystem::path& directory);

  std::optional<File> file_;  // closing it gives the lock back
  std::optional<checkpoint::OwnerFile> owner_;
};

}  // namespace trellis
