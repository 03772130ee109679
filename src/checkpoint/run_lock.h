// One job a run directory. The lock is flock() on run.lock, so it ends with the process however that dies, and a file
// that a dead job left is no obstacle. The file's text names the holder for the message. Linux carries flock over NFS
// as a lock of the server; on file systems without locks (some Lustre mounts) a warning says that nothing guards the
// run.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "checkpoint/files.h"
#include "mpi/communicator.h"

namespace trellis {

class RunLock {
 public:
  // Collective; rank 0 takes the lock. Creates the directory if need be. When another job holds the lock every rank
  // throws OutputExistsError that names it; WriteError when the file cannot be made.
  RunLock(const Communicator& communicator, const std::filesystem::path& run_directory);
  RunLock(RunLock&&) = default;
  RunLock& operator=(RunLock&&) = default;

 private:
  std::optional<checkpoint::File> file_;  // closing it gives the lock back
};

}  // namespace trellis
