// An HDF5 file under suspicion: its bytes, given out only where they lie inside the file, and a record of which
// structure each byte belongs to, so that none belongs to two. That no structure is read twice is also what ends every
// walk: a cycle comes back to bytes that are taken.
//
// Everything that is wrong is a DataError that names the file, the byte and what was expected there; an error of the
// system while reading is what storage/file.h makes of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/errors.h"
#include "hdf5/disjoint_ranges.h"
#include "storage/file.h"

namespace trellis {

// The address that HDF5 writes where there is none.
inline constexpr std::uint64_t kHdf5Nowhere = ~std::uint64_t{0};

// A block whose checksum is wrong, and the right one: tests mend it to reach what is checked behind it.
class Hdf5ChecksumError : public DataError {
 public:
  Hdf5ChecksumError(const DataError& error, std::uint64_t at, std::uint32_t computed)
      : DataError(error), at_(at), computed_(computed) {}
  std::uint64_t at() const { return at_; }  // of the checksum in the file
  std::uint32_t computed() const { return computed_; }

 private:
  std::uint64_t at_;
  std::uint32_t computed_;
};

class Hdf5Source {
 public:
  // `fix` is what errors tell the user to do. Borrows `file`.
  Hdf5Source(const File& file, std::string fix);
  Hdf5Source(const Hdf5Source&) = delete;
  Hdf5Source& operator=(const Hdf5Source&) = delete;

  std::uint64_t size() const { return size_; }
  // Up to `length` bytes from `at`, fewer only at the end of the file: a block's beginning, which tells its length.
  std::vector<std::byte> peek(std::uint64_t at, std::size_t length, const char* what);
  // The whole block [at, at + length), which from now on is `what` and nothing else. `length` > 0.
  std::vector<std::byte> take(std::uint64_t at, std::uint64_t length, const char* what);
  // The same without reading it: for a tensor's bytes.
  void claim(std::uint64_t at, std::uint64_t length, const char* what);
  // Refuses a block at `at` that does not end with the checksum of what stands before.
  void verify(std::span<const std::byte> block, std::uint64_t at, const char* what) const;
  // Refuses another checksum of `summed` than the `stored` one, which lies at `at`.
  void verify(std::span<const std::byte> summed, std::uint32_t stored, std::uint64_t at, const char* what) const;

  [[noreturn]] void refuse(const std::string& what, std::uint64_t at) const;

 private:
  const File& file_;
  std::string fix_;
  std::uint64_t size_;
  DisjointRanges taken_;
  std::vector<std::byte> window_;  // the last small piece that was read, since structures lie close together
  std::uint64_t window_at_ = 0;
};

}  // namespace trellis
