// HDF5 files in memory for tests to damage: a file that never reaches a disk, and checksums made right again, so that a
// change reaches what is checked behind them.
#pragma once

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fmt/core.h>
#include <span>
#include <string>
#include <string_view>
#include <sys/mman.h>
#include <unistd.h>

#include "base/errors.h"
#include "hdf5/source.h"
#include "hdf5/structure.h"

namespace trellis::testing_support {

// A file without a name, opened as any file is.
class ScratchFile {
 public:
  ScratchFile()
      : descriptor_(::memfd_create("scratch", MFD_CLOEXEC)),
        file_(File::open_to_read(fmt::format("/proc/self/fd/{}", descriptor_))) {}
  ScratchFile(const ScratchFile&) = delete;
  ScratchFile& operator=(const ScratchFile&) = delete;
  ~ScratchFile() { ::close(descriptor_); }

  const File& holding(std::string_view bytes) {
    const bool held = ::ftruncate(descriptor_, static_cast<off_t>(bytes.size())) == 0 &&
                      ::pwrite(descriptor_, bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(bytes.size());
    require(held, "a file in memory takes its bytes");
    return file_;
  }

 private:
  int descriptor_;
  File file_;
};

inline void put_number(std::string& bytes, std::size_t at, std::uint64_t value, int count) {
  for (int i = 0; i < count && at + static_cast<std::size_t>(i) < bytes.size(); ++i)
    bytes[at + static_cast<std::size_t>(i)] = static_cast<char>(value >> (8 * i));
}

inline std::uint64_t number_at(std::string_view bytes, std::size_t at, int count) {
  std::uint64_t value = 0;
  for (int i = 0; i < count; ++i)
    value |= static_cast<std::uint64_t>(static_cast<unsigned char>(bytes.at(at + static_cast<std::size_t>(i))))
             << (8 * i);
  return value;
}

// `bytes` with right checksums, as far as the reader comes; with `end`, also with the file's end where it is.
inline std::string sealed(std::string bytes, ScratchFile& scratch, bool end = false) {
  if (end && bytes.size() > 48) put_number(bytes, bytes[8] == 0 ? 40 : 28, bytes.size(), 8);
  for (int round = 0; round < 1000; ++round) {
    try {
      read_hdf5_structure(scratch.holding(bytes), Hdf5Groups::nested, "");
      return bytes;
    } catch (const Hdf5ChecksumError& error) {
      put_number(bytes, error.at(), error.computed(), 4);
    } catch (const Error&) {
      return bytes;
    }
  }
  return bytes;
}

}  // namespace trellis::testing_support
