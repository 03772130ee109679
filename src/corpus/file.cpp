#include "corpus/file.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

#include "base/errors.h"
#include "base/storage.h"

namespace trellis {

void throw_write_error(const std::filesystem::path& path, const char* tried, int error) {
  throw WriteError(fmt::format("cannot {}: {}", tried, std::strerror(error)), path.string(), write_remedy(error));
}

void throw_read_error(const std::filesystem::path& path, int error) {
  if (error == ELOOP)
    throw DataError("is a symbolic link, expected a regular file", path.string(),
                    "put the file itself there; the directory may be a link");
  throw MissingInputError(fmt::format("cannot be read: {}", std::strerror(error)), path.string(),
                          error == EACCES ? "check its permissions" : "check the path");
}

File File::open_to_read(const std::filesystem::path& path, Links links) {
  // O_NONBLOCK: a named pipe must not make open() wait for a writer; it has no effect on regular files.
  const int flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | (links == Links::refuse ? O_NOFOLLOW : 0);
  const int descriptor = ::open(path.c_str(), flags);
  if (descriptor < 0) throw_read_error(path, errno);
  File file(descriptor, path);
  struct stat status {};
  if (::fstat(descriptor, &status) != 0) throw_read_error(path, errno);
  if (S_ISDIR(status.st_mode))
    throw DataError("is a directory, expected a file", path.string(), "name the file inside it");
  if (!S_ISREG(status.st_mode))
    throw DataError("is not a regular file (a pipe or device cannot be read twice)", path.string(),
                    "save its content to a file first");
  return file;
}

File File::create(const std::filesystem::path& path) {
  const int descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
  if (descriptor < 0) throw_write_error(path, "create this file", errno);
  return {descriptor, path};
}

File File::open_to_write(const std::filesystem::path& path) {
  const int descriptor = ::open(path.c_str(), O_RDWR | O_NOFOLLOW | O_CLOEXEC);
  if (descriptor < 0) throw_write_error(path, "open this file for writing", errno);
  return {descriptor, path};
}

File::File(File&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)), path_(std::move(other.path_)) {}

File& File::operator=(File&& other) noexcept {
  if (this != &other) {
    close();
    descriptor_ = std::exchange(other.descriptor_, -1);
    path_ = std::move(other.path_);
  }
  return *this;
}

File::~File() { close(); }

void File::close() noexcept {
  if (descriptor_ >= 0) ::close(descriptor_);  // what matters was synced before
}

std::int64_t File::size() const {
  struct stat status {};
  if (::fstat(descriptor_, &status) != 0) throw_read_error(path_, errno);
  return status.st_size;
}

std::size_t File::read_some_at(std::int64_t offset, std::span<std::byte> into) const {
  std::size_t done = 0;
  while (done < into.size()) {
    const ssize_t got =
        ::pread(descriptor_, into.data() + done, into.size() - done, offset + static_cast<std::int64_t>(done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw_read_error(path_, errno);
    if (got == 0) break;
    done += static_cast<std::size_t>(got);
  }
  return done;
}

void File::read_at(std::int64_t offset, std::span<std::byte> into) const {
  const std::size_t got = read_some_at(offset, into);
  if (got < into.size())
    throw DataError(fmt::format("ends at byte {}, expected {} bytes from {}", offset + static_cast<std::int64_t>(got),
                                into.size(), offset),
                    path_.string(), "the file was cut or is still being written: make it again");
}

void File::write_at(std::int64_t offset, std::span<const std::byte> bytes) const {
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t put =
        ::pwrite(descriptor_, bytes.data() + done, bytes.size() - done, offset + static_cast<std::int64_t>(done));
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) throw_write_error(path_, "write this file", put < 0 ? errno : ENOSPC);
    done += static_cast<std::size_t>(put);
  }
}

void File::sync() const {
  const int error = bring_to_disk(descriptor_, path_);
  if (error != 0) throw_write_error(path_, "bring this file safely to the disk (fsync)", error);
}

void sync_directory(const std::filesystem::path& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) throw_write_error(path, "open this directory", errno);
  const int error = bring_to_disk(descriptor, path);
  ::close(descriptor);
  if (error != 0) throw_write_error(path, "bring this directory safely to the disk (fsync)", error);
}

}  // namespace trellis
