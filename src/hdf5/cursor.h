// Goes through a block of an HDF5 file from its beginning to its end. Numbers are little-endian; whoever asks for more
// than is left is refused. A value type: a copy goes its own way. Borrows source and bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "hdf5/source.h"

namespace trellis {

class Hdf5Cursor {
 public:
  // `at`: where the first of `bytes` lies in the file.
  Hdf5Cursor(const Hdf5Source& source, std::span<const std::byte> bytes, std::uint64_t at)
      : source_(&source), rest_(bytes), at_(at) {}

  std::uint64_t at() const { return at_; }
  std::size_t left() const { return rest_.size(); }

  // The next 1 to 8 bytes as a number. `what` names it in errors.
  std::uint64_t number(int bytes, const char* what);
  std::uint64_t address(const char* what) { return number(8, what); }
  // Refuses another number than `expected`.
  void expect(int bytes, std::uint64_t expected, const char* what);
  // Refuses bytes that differ from this text.
  void expect(std::string_view signature, const char* what);
  std::span<const std::byte> bytes(std::uint64_t count, const char* what);
  std::string_view text(std::uint64_t count, const char* what);
  Hdf5Cursor part(std::uint64_t count, const char* what);
  void skip(std::uint64_t count, const char* what) { bytes(count, what); }

  [[noreturn]] void refuse(const std::string& what) const { source_->refuse(what, at_); }

 private:
  const Hdf5Source* source_;
  std::span<const std::byte> rest_;
  std::uint64_t at_;
};

}  // namespace trellis
