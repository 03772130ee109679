#include "checkpoint/storage_trial.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fmt/core.h>
#include <optional>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <system_error>
#include <unistd.h>
#include <vector>

#include "base/errors.h"
#include "checkpoint/writer.h"
#include "mpi/agreement.h"
#include "storage/directory.h"
#include "storage/file.h"
#include "storage/file_system.h"

namespace trellis {
namespace {

namespace fs = std::filesystem;

constexpr const char* kTrial = ".tmp-trial";

// Blocks for one more file. False where there is no room; empty where the file system cannot tell.
std::optional<bool> reserve(const fs::path& path, std::int64_t bytes, std::vector<File>& files) {
  files.push_back(File::create(path));
  int result = 0;
  do {
    result = ::fallocate(files.back().descriptor(), 0, 0, bytes);
  } while (result != 0 && errno == EINTR);
  if (result == 0) return true;
  if (errno == ENOSPC || errno == EDQUOT) return false;
  if (errno == EOPNOTSUPP || errno == ENOSYS || errno == EINVAL) return std::nullopt;
  throw WriteError(fmt::format("cannot reserve {} bytes: {}", bytes, std::strerror(errno)), path.string(), write_remedy(errno));
}

}  // namespace

void make_checkpoint_folder(const fs::path& root) {
  std::error_code error;
  if (fs::is_symlink(fs::symlink_status(root, error)) && !fs::exists(root, error)) {
    throw WriteError("this is a link to " + fs::read_symlink(root, error).string() + ", which is not there", root.string(),
                     "make that folder, or remove the link");
  }
  fs::create_directories(root, error);
  if (error) throw WriteError("cannot create the folder: " + error.message(), root.string(), write_remedy(error.value()));
}

void try_checkpoint_folder(const Communicator& communicator, const fs::path& root) {
  const std::vector<float> own(64, static_cast<float>(communicator.rank()));
  const std::int64_t rank = communicator.rank();
  const TensorSlice slice{"trial", ElementType::float32, {communicator.size(), 64}, {{{rank, rank + 1}, own.data()}}};
  const auto remove = [&] {
    if (communicator.rank() == 0) remove_directory(root / kTrial);
  };
  try {
    write_checkpoint(communicator, root / kTrial, 0, std::span(&slice, 1), nlohmann::json::object());
  } catch (const WriteError& error) {  // agreed
    remove();
    throw AgreedError<ExitCode::write_failed>("no checkpoint can be written here: " + error.fact(), error.where(), error.fix(),
                                              communicator.size());
  } catch (...) {
    remove();
    throw;
  }
  remove();
}

Room room_for(const fs::path& folder, std::int64_t bytes, int most) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY && limit.rlim_cur < static_cast<rlim_t>(bytes)) {
    throw WriteError(fmt::format("cannot write a file of {} bytes: {}, this process may write {} bytes", bytes, std::strerror(EFBIG), limit.rlim_cur),
                     folder.string(), write_remedy(EFBIG));
  }
  struct statvfs status {};
  if (::statvfs(folder.c_str(), &status) != 0)
    throw WriteError(std::string("cannot ask how much space is free: ") + std::strerror(errno), folder.string(), write_remedy(errno));
  Room room;
  room.free_bytes = static_cast<std::int64_t>(std::min<unsigned __int128>(
      static_cast<unsigned __int128>(status.f_bavail) * status.f_frsize, static_cast<unsigned __int128>(INT64_MAX)));
  // Some file systems report no sizes at all.
  const bool knows = status.f_blocks > 0;
  const int reported = knows ? static_cast<int>(std::min<std::int64_t>(room.free_bytes / bytes, most)) : most;
  std::vector<File> files;
  std::vector<fs::path> names;
  const auto remove = [&] {
    for (const fs::path& name : names) ::unlink(name.c_str());
  };
  try {
    while (room.files < reported) {
      names.push_back(folder / fmt::format(".tmp-room-{}-{}", getpid(), names.size()));
      const std::optional<bool> reserved = reserve(names.back(), bytes, files);
      if (!reserved) room.files = reported;
      if (!reserved || !*reserved) break;
      ++room.files;
    }
  } catch (...) {
    remove();
    throw;
  }
  remove();
  return room;
}

}  // namespace trellis
