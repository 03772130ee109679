// The few operations on files and directories that a checkpoint's safety rests on. Each throws WriteError (writing) or, when
// reading, MissingInputError for whatever the system refuses and DataError for what the file is, naming the path.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

namespace trellis::checkpoint {

// An open file descriptor, closed at the end of its life.
class File {
 public:
  static File open_to_read(const std::filesystem::path& path);  // refuses symbolic links and anything but regular files
  static File open_to_write(const std::filesystem::path& path);  // an existing file, not truncated
  static File create(const std::filesystem::path& path);         // fails if it exists
  static File open_or_create(const std::filesystem::path& path);
  static File in_memory();  // gone with its last descriptor; untouched pages cost nothing
  File(File&& other) noexcept;
  File& operator=(File&& other) noexcept;
  ~File();

  int descriptor() const { return descriptor_; }
  std::int64_t size() const;
  void read(std::int64_t offset, std::span<std::byte> into) const;  // exactly that many bytes, else DamagedError
  void write_at(std::int64_t offset, std::span<const std::byte> bytes) const;
  // Gives every byte up to `size` a place on the disk, without changing any: a full disk shows here and not later.
  void reserve(std::int64_t size) const;
  // Waits until the file is on the disk. After a failure the file must be given up: a second fsync would lie.
  void sync() const;
  // Lets the next reads come from the disk rather than from this machine's memory, where the system agrees.
  void drop_cached() const;

 private:
  File(int descriptor, std::filesystem::path path);
  int descriptor_ = -1;
  std::filesystem::path path_;
};

// Reads a whole file of at most `largest` bytes.
std::string read_text(const std::filesystem::path& path, std::int64_t largest);

// Waits until the names in a directory are on the disk.
void sync_directory(const std::filesystem::path& directory);

// Gives `from` the name `to` in one step. A directory that has the name already becomes `replaced`, which must not
// exist: by an atomic exchange where the file system has it, otherwise by two renames.
void publish_directory(const std::filesystem::path& from, const std::filesystem::path& to,
                       const std::filesystem::path& replaced);

// Removes a directory and all in it; what cannot be removed stays and is named in a warning.
void remove_directory(const std::filesystem::path& directory) noexcept;

}  // namespace trellis::checkpoint
