// Fuzz target of the HDF5 reader (tests/fuzz/README.md): any bytes as a file. Whatever it accepts must keep its
// promises.
#include <cstdlib>
#include <random>
#include <vector>

#include "base/errors.h"
#include "corpus/vocabulary.h"
#include "hdf5/flat_file.h"
#include "tests/hdf5/sealed_hdf5.h"

namespace {

using namespace trellis;
using namespace trellis::testing_support;

ScratchFile& scratch() {
  static ScratchFile file;
  return file;
}

void promise(bool kept) {
  if (!kept) std::abort();
}

void check(const Hdf5Structure& structure, std::size_t file_bytes) {
  std::vector<std::pair<std::int64_t, std::int64_t>> ranges;
  for (const Hdf5Dataset& dataset : structure.datasets) {
    std::uint64_t elements = 1;
    for (const std::uint64_t size : dataset.shape) {
      promise(size > 0 && size <= file_bytes / elements);
      elements *= size;
    }
    promise(static_cast<std::uint64_t>(dataset.bytes) == elements * size_of(dataset.element));
    promise(dataset.offset > 0 && dataset.offset + dataset.bytes <= static_cast<std::int64_t>(file_bytes));
    ranges.emplace_back(dataset.offset, dataset.offset + dataset.bytes);
    const std::string path = "/" + dataset.name + "/";  // leads nowhere but into the file
    promise(path.find("//") == std::string::npos && path.find("/../") == std::string::npos);
  }
  std::ranges::sort(ranges);
  for (std::size_t i = 1; i < ranges.size(); ++i) promise(ranges[i - 1].second <= ranges[i].first);
}

template <class Act>
void either_way(const Act& act) {
  try {
    act();
  } catch (const DataError&) {
  }
}

}  // namespace

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t max_size);

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const File& file = scratch().holding(bytes);
  either_way([&] {
    const Hdf5Structure structure = read_hdf5_structure(file, Hdf5Groups::nested, "");
    check(structure, size);
    either_way([&] { read_vocabulary(file); });
    either_way([&] {
      FlatAttributes attributes{{"format", ""}, {"format_version", ""}, {"vocabulary_hash", ""}};
      inspect_flat_file(file, {{"tokens", Element::u32}}, attributes);
    });
  });
  return 0;
}

// Half of the changes are libFuzzer's own; the others keep every byte in its place: numbers that are near a limit, and
// addresses from elsewhere in the file. Most results get right checksums, without which nothing would be reached.
extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t max_size,
                                               unsigned seed) {
  std::minstd_rand random(seed);
  const auto below = [&](std::size_t limit) {
    return std::uniform_int_distribution<std::size_t>(0, limit - 1)(random);
  };
  if (size < 64 || below(2) == 0) size = LLVMFuzzerMutate(data, size, max_size);
  std::string bytes(reinterpret_cast<const char*>(data), size);
  if (size >= 64)
    for (std::size_t changes = below(4); changes > 0; --changes) {
      const int width = 1 << below(4);
      const std::size_t at = below(size - 8);
      const std::uint64_t values[] = {0,
                                      1,
                                      ~std::uint64_t{0},
                                      std::uint64_t{1} << (8 * width - 1),
                                      size,
                                      size - at,
                                      at,
                                      number_at(bytes, below(size - 8), 8),
                                      number_at(bytes, at, width) + 1,
                                      number_at(bytes, at, width) - 1,
                                      below(256),
                                      below(size)};
      put_number(bytes, at, values[below(std::size(values))], width);
    }
  if (below(8) != 0) bytes = sealed(std::move(bytes), scratch(), true);
  std::copy(bytes.begin(), bytes.end(), reinterpret_cast<char*>(data));
  return bytes.size();
}
