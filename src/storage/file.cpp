#include "storage/file.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fmt/core.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

#include "base/errors.h"
#include "base/system_error.h"
#include "storage/file_system.h"

namespace trellis {

void throw_write_error(const std::filesystem::path& path, const std::string& tried, int error) {
  throw WriteError(fmt::format("cannot {}: {}", tried, std::strerror(error)), path.string(), write_remedy(error));
}

File File::open_to_read(const std::filesystem::path& path, Links links) {
  // O_NONBLOCK: a named pipe must not make open() wait for a writer; it has no effect on regular files.
  const int flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | (links == Links::refuse ? O_NOFOLLOW : 0);
  const int descriptor = uninterrupted([&] { return ::open(path.c_str(), flags); });
  if (descriptor < 0 && errno == ELOOP && links == Links::refuse)
    throw DataError("is a symbolic link, expected a regular file", path.string(),
                    "put the file itself there; the directory may be a link");
  if (descriptor < 0) throw_unreadable(path, errno);
  File file(descriptor, path);
  struct stat status {};
  if (::fstat(descriptor, &status) != 0) throw_unreadable(path, errno);
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

File File::open_or_create(const std::filesystem::path& path) {
  const int descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0666);
  if (descriptor < 0) throw_write_error(path, "create this file", errno);
  return {descriptor, path};
}

File File::in_memory() {
  const int descriptor = ::memfd_create("trellis", MFD_CLOEXEC);
  if (descriptor < 0) throw_write_error("", "create a file in memory", errno);
  return {descriptor, "a file in memory"};
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
  if (::fstat(descriptor_, &status) != 0) throw_unreadable(path_, errno);
  return status.st_size;
}

namespace {

std::size_t read_some(int descriptor, const std::filesystem::path& path, std::int64_t offset,
                      std::span<std::byte> into) {
  std::size_t done = 0;
  while (done < into.size()) {
    const ssize_t got = uninterrupted([&] {
      return ::pread(descriptor, into.data() + done, into.size() - done, offset + static_cast<std::int64_t>(done));
    });
    if (got < 0) throw_unreadable(path, errno);
    if (got == 0) break;
    done += static_cast<std::size_t>(got);
  }
  return done;
}

}  // namespace

std::size_t File::read_some_at(std::int64_t offset, std::span<std::byte> into) const {
  return read_some(descriptor_, path_, offset, into);
}

void File::read_at(std::int64_t offset, std::span<std::byte> into) const {
  read_file_at(descriptor_, path_, offset, into);
}

void read_file_at(int descriptor, const std::filesystem::path& path, std::int64_t offset, std::span<std::byte> into) {
  const std::size_t got = read_some(descriptor, path, offset, into);
  if (got < into.size())
    throw CutFileError(fmt::format("ends at byte {}, expected {} bytes from {}", offset + static_cast<std::int64_t>(got),
                                   into.size(), offset),
                       path.string(), "the file was cut or is still being written: use another copy, or make it again");
}

int File::release() && { return std::exchange(descriptor_, -1); }

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

void File::reserve(std::int64_t size) const {
  const int error = ::posix_fallocate(descriptor_, 0, size);
  if (error != 0) throw_write_error(path_, fmt::format("reserve {} bytes for this file", size), error);
}

void File::drop_cached() const { ::posix_fadvise(descriptor_, 0, 0, POSIX_FADV_DONTNEED); }

void File::sync() const {
  const int error = bring_to_disk(descriptor_, path_);
  if (error != 0) throw_write_error(path_, "bring this file safely to the disk (fsync)", error);
}

}  // namespace trellis
