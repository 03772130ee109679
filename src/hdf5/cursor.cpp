#include "hdf5/cursor.h"

#include <fmt/core.h>

namespace trellis {

std::span<const std::byte> Hdf5Cursor::bytes(std::uint64_t count, const char* what) {
  if (count > rest_.size())
    refuse(fmt::format("{} has {} bytes, but only {} are left where it stands", what, count, rest_.size()));
  const std::span<const std::byte> taken = rest_.first(static_cast<std::size_t>(count));
  rest_ = rest_.subspan(taken.size());
  at_ += count;
  return taken;
}

std::uint64_t Hdf5Cursor::number(int count, const char* what) {
  std::uint64_t value = 0;
  int shift = 0;
  for (const std::byte digit : bytes(static_cast<std::uint64_t>(count), what)) {
    value |= static_cast<std::uint64_t>(digit) << shift;
    shift += 8;
  }
  return value;
}

void Hdf5Cursor::expect(int count, std::uint64_t expected, const char* what) {
  const Hdf5Cursor before = *this;
  if (const std::uint64_t found = number(count, what); found != expected)
    before.refuse(fmt::format("{} is {}, expected {}", what, found, expected));
}

void Hdf5Cursor::expect(std::string_view signature, const char* what) {
  const Hdf5Cursor before = *this;
  if (text(signature.size(), what) != signature)
    before.refuse(fmt::format("{} does not begin with {}", what, signature));
}

std::string_view Hdf5Cursor::text(std::uint64_t count, const char* what) {
  const std::span<const std::byte> taken = bytes(count, what);
  return {reinterpret_cast<const char*>(taken.data()), taken.size()};
}

Hdf5Cursor Hdf5Cursor::part(std::uint64_t count, const char* what) {
  const std::uint64_t begin = at_;
  return {*source_, bytes(count, what), begin};
}

}  // namespace trellis
