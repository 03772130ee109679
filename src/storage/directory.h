// What is done to directories as a whole, so that a crash of the machine leaves the old or the new. Errors: WriteError (74).
#pragma once

#include <filesystem>

namespace trellis {

// Waits until the names in a directory are on the disk.
void sync_directory(const std::filesystem::path& directory);

// Gives `from` the name `to` in one step. A directory that has the name already becomes `replaced`, which must not
// exist: by an atomic exchange where the file system has it, otherwise by two renames.
void publish_directory(const std::filesystem::path& from, const std::filesystem::path& to,
                       const std::filesystem::path& replaced);

// Removes a directory and all in it; what cannot be removed stays and is named in a warning.
void remove_directory(const std::filesystem::path& directory) noexcept;

}  // namespace trellis
