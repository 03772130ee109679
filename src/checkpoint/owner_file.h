// The guard of a folder on a file system without locks: a file that says which process uses the folder, made only where
// there is none. Weaker than a lock. A killed process leaves its file, so a file counts only while its process is seen to
// live, and a process of another machine (or of another container's numbering) cannot be seen: a warning names it then.
#pragma once

#include <filesystem>
#include <string>

namespace trellis::checkpoint {

// "host H, process P, since T": this process, for messages.
std::string description_of_this_process();

class OwnerFile {
 public:
  // Throws OutputExistsError (73) naming the owner, if that is a living process of this machine; WriteError (74).
  explicit OwnerFile(const std::filesystem::path& path);
  OwnerFile(OwnerFile&& other) noexcept;
  OwnerFile& operator=(OwnerFile&& other) noexcept;
  ~OwnerFile();  // removes the file

 private:
  std::filesystem::path path_;  // empty once moved from
};

}  // namespace trellis::checkpoint
