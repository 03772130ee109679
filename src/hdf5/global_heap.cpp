#include "hdf5/global_heap.h"

#include <fmt/core.h>
#include <vector>

#include "hdf5/cursor.h"

namespace trellis {
namespace {

constexpr const char* kHeap = "a heap of strings";
constexpr std::uint64_t kPrefixBytes = 16, kObjectPrefixBytes = 16;

}  // namespace

std::string Hdf5GlobalHeaps::text(std::uint64_t at, std::uint64_t index, std::uint64_t length) {
  const auto heap = heaps_.contains(at) ? heaps_.find(at) : heaps_.emplace(at, read(at)).first;
  const auto found = heap->second.find(index);
  if (found == heap->second.end()) source_.refuse(fmt::format("{} has no string {}", kHeap, index), at);
  if (found->second.size() != length)
    source_.refuse(fmt::format("string {} of a heap has {} bytes, expected {}", index, found->second.size(), length),
                   at);
  return found->second;
}

Hdf5GlobalHeaps::Texts Hdf5GlobalHeaps::read(std::uint64_t at) {
  const std::vector<std::byte> beginning = source_.peek(at, kPrefixBytes, kHeap);
  Hdf5Cursor prefix(source_, beginning, at);
  prefix.expect("GCOL", kHeap);
  prefix.expect(1, 1, "the version of a heap of strings");
  prefix.expect(3, 0, "reserved bytes");
  const std::uint64_t length = prefix.number(8, "the size of a heap of strings");
  if (length < kPrefixBytes) prefix.refuse(fmt::format("{} has only {} bytes", kHeap, length));
  const std::vector<std::byte> bytes = source_.take(at, length, kHeap);
  Hdf5Cursor heap(source_, bytes, at);
  heap.skip(kPrefixBytes, kHeap);
  Texts texts;
  while (heap.left() >= kObjectPrefixBytes) {
    const Hdf5Cursor here = heap;
    const std::uint64_t index = heap.number(2, "the index of a string");
    if (index == 0) break;  // all that is left is free
    heap.skip(2, "how often a string is used");
    heap.expect(4, 0, "reserved bytes");
    const std::uint64_t size = heap.number(8, "the size of a string");
    const std::string_view text = heap.text(size, "a string");
    heap.skip((8 - size % 8) % 8, "the zeros behind a string");
    if (!texts.emplace(index, text).second) here.refuse(fmt::format("{} has string {} twice", kHeap, index));
  }
  return texts;
}

}  // namespace trellis
