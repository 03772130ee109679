#include <algorithm>
#include <fmt/core.h>
#include <fmt/ranges.h>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "base/errors.h"
#include "checkpoint/state_file.h"
#include "hdf5/structure.h"
#include "storage/file.h"

namespace trellis::checkpoint {
namespace {

constexpr const char* kUseAnother = "the file is no checkpoint of this program, or damaged: use another checkpoint";

Hdf5Element stored(ElementType type) {
  switch (type) {
    case ElementType::float32:
      return Hdf5Element::f32;
    case ElementType::float64:
      return Hdf5Element::f64;
    case ElementType::int64:
      return Hdf5Element::i64;
  }
  throw InternalError("an element type is unknown", "", "");
}

}  // namespace

StateLayout check_state_file(const std::filesystem::path& path, std::span<const TensorInfo> tensors) {
  const auto expect = [&](bool holds, const auto& fault) {
    if (!holds) throw DataError(fault(), path.string(), kUseAnother);
  };
  const File file = File::open_to_read(path, Links::refuse);
  const Hdf5Structure found = read_hdf5_structure(file, Hdf5Groups::none, kUseAnother);
  expect(found.attributes.empty(), [] { return std::string("the root group has attributes"); });
  expect(found.datasets.size() == tensors.size(),
         [&] { return fmt::format("the file holds {} objects, expected {}", found.datasets.size(), tensors.size()); });
  std::unordered_map<std::string_view, const Hdf5Dataset*> datasets;
  for (const Hdf5Dataset& dataset : found.datasets) datasets.emplace(dataset.name, &dataset);

  StateLayout layout;
  layout.file_bytes = file.size();
  for (const TensorInfo& tensor : tensors) {
    const auto there = datasets.find(tensor.name);
    expect(there != datasets.end(), [&] { return fmt::format("dataset \"{}\" is missing", tensor.name); });
    const Hdf5Dataset& dataset = *there->second;
    expect(dataset.element == stored(tensor.type), [&] {
      return fmt::format("dataset \"{}\" is {}, expected {}", tensor.name, name_of(dataset.element),
                         name_of(stored(tensor.type)));
    });
    expect(std::ranges::equal(dataset.shape, tensor.shape, std::cmp_equal<std::uint64_t, std::int64_t>), [&] {
      return fmt::format("dataset \"{}\" has the shape [{}], expected [{}]", tensor.name,
                         fmt::join(dataset.shape, ", "), fmt::join(tensor.shape, ", "));
    });
    layout.offsets.push_back(dataset.offset);
  }
  return layout;
}

}  // namespace trellis::checkpoint
