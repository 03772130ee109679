// A file descriptor that is owned, with reads and writes that finish or throw. Offsets are explicit (pread, pwrite), so
// one File may be read from any number of threads.
//
// Reading: MissingInputError (66) when a file is not there or the system does not give it (base/system_error.h), DataError
// (65) when it is no regular file, CutFileError (65) when it ends early. Writing: WriteError (74) for a full disk, a quota, a limit,
// a permission, a failed fsync.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

#include "base/errors.h"

namespace trellis {

// A file that has fewer bytes than it must have.
class CutFileError : public DataError {
 public:
  using DataError::DataError;
};

// Whether a symbolic link as the last part of a path is followed.
enum class Links { follow, refuse };

class File {
 public:
  static File open_to_read(const std::filesystem::path& path, Links links = Links::follow);
  static File create(const std::filesystem::path& path);         // must not exist yet
  static File open_to_write(const std::filesystem::path& path);  // an existing file, kept as it is
  static File open_or_create(const std::filesystem::path& path);
  static File in_memory();  // gone with its last descriptor; untouched pages cost nothing

  File(File&& other) noexcept;
  File& operator=(File&& other) noexcept;
  ~File();

  std::int64_t size() const;
  int descriptor() const { return descriptor_; }
  const std::filesystem::path& path() const { return path_; }

  // Fills `into` from `offset`, or throws CutFileError naming how many bytes the file is short of.
  void read_at(std::int64_t offset, std::span<std::byte> into) const;
  // As much as there is from `offset`, 0 only at the end.
  std::size_t read_some_at(std::int64_t offset, std::span<std::byte> into) const;
  void write_at(std::int64_t offset, std::span<const std::byte> bytes) const;
  // Gives every byte up to `size` a place on the disk, without changing any: a full disk shows here and not later.
  void reserve(std::int64_t size) const;
  // Waits until the file is on the disk. After a failure the file must be given up: a second fsync would lie.
  void sync() const;
  // Lets the next reads come from the disk rather than from this machine's memory, where the system agrees.
  void drop_cached() const;
  // The descriptor, to be closed by the caller.
  int release() &&;

 private:
  File(int descriptor, std::filesystem::path path) : descriptor_(descriptor), path_(std::move(path)) {}
  void close() noexcept;
  int descriptor_ = -1;
  std::filesystem::path path_;
};

// File::read_at for a descriptor that another owns.
void read_file_at(int descriptor, const std::filesystem::path& path, std::int64_t offset, std::span<std::byte> into);

// Throws the WriteError for `error` (an errno), saying what was tried.
[[noreturn]] void throw_write_error(const std::filesystem::path& path, const std::string& tried, int error);

}  // namespace trellis
