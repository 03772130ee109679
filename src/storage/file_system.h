// What file systems cannot do or refuse, for all that write files: here so that training, checkpoints, exports and
// preprocessing live with the same limits and give the same advice. What a file system does not know (locks over a
// network, fsync of a directory) is told once by each process, with what it means, and lived with.
#pragma once

#include <filesystem>
#include <string>

namespace trellis {

// What a user can do about a write that ended with this errno.
std::string write_remedy(int error);

// fsync and fdatasync of an open file or directory. Returns 0, or the errno of a failure; 0 also where the file system does
// not know the call, which is told once: then only the system decides when the bytes are safe.
[[nodiscard]] int bring_to_disk(int descriptor, const std::filesystem::path& path);
[[nodiscard]] int bring_data_to_disk(int descriptor, const std::filesystem::path& path);

enum class Locked { here, by_another, unknown_here };
enum class Waiting { no, yes };

// An exclusive flock, which ends with the process however that dies. `unknown_here` where the file system has no such locks
// or cannot give one (ENOLCK, EOPNOTSUPP and the like).
Locked lock_exclusively(int descriptor, Waiting waiting);

// The same for what is being written under a temporary name: other processes take what nobody holds for a leftover. Where
// there are no locks, that is told once, and nobody removes anything.
Locked lock_unfinished(int descriptor, const std::filesystem::path& path, Waiting waiting);

}  // namespace trellis
