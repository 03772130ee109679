#include "hdf5/flat_file.h"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <utility>

#include "base/errors.h"
#include "hdf5/structure.h"

namespace trellis {
namespace {

constexpr const char* kMakeAgain = "make the corpus again with trellis-preprocess";

Hdf5Element stored(Element element) {
  switch (element) {
    case Element::u8:
      return Hdf5Element::u8;
    case Element::u32:
      return Hdf5Element::u32;
    case Element::u64:
      return Hdf5Element::u64;
  }
  throw InternalError("an element type is unknown", "", "");
}

class Inspection {
 public:
  explicit Inspection(const File& file)
      : path_(file.path()), found_(read_hdf5_structure(file, Hdf5Groups::none, kMakeAgain)) {}

  void find(FlatDataset& dataset) const {
    const auto found = std::ranges::find(found_.datasets, dataset.name, &Hdf5Dataset::name);
    if (found == found_.datasets.end()) refuse(fmt::format("has no /{}", dataset.name));
    if (found->element != stored(dataset.element))
      refuse(fmt::format("/{} has another element type, {}, expected {}", dataset.name, name_of(found->element),
                         name_of(stored(dataset.element))));
    const std::vector<std::uint64_t>& shape = found->shape;
    if (shape.size() != 1 + dataset.row.size())
      refuse(fmt::format("/{} has {} dimensions, expected {}", dataset.name, shape.size(), 1 + dataset.row.size()));
    if (!std::equal(dataset.row.begin(), dataset.row.end(), shape.begin() + 1,
                    std::cmp_equal<std::int64_t, std::uint64_t>))
      refuse(fmt::format("/{} has {} elements, expected rows of {}", dataset.name, fmt::join(shape, " x "),
                         fmt::join(dataset.row, " x ")));
    dataset.count = static_cast<std::int64_t>(shape.front());  // no more than the file has bytes
    dataset.offset = found->offset;
  }

  void expect_datasets(std::size_t count) const {
    if (found_.datasets.size() != count)
      refuse(
          fmt::format("holds {} objects, expected {}: something else was put into it", found_.datasets.size(), count));
  }

  void assign(FlatAttributes& attributes) const {
    for (auto& [name, value] : attributes) {
      const auto found = std::ranges::find(found_.attributes, name, &Hdf5Attribute::name);
      if (found == found_.attributes.end()) refuse(fmt::format("has no attribute '{}'", name));
      const auto printable = [](char c) { return c >= ' ' && c <= '~'; };
      if (found->value.size() > kMaxFlatAttributeBytes || !std::ranges::all_of(found->value, printable))
        refuse(fmt::format("attribute '{}' is not a short string of printable ASCII", name));
      value = found->value;
    }
    if (found_.attributes.size() != attributes.size())
      refuse(fmt::format("has {} attributes, expected {}: something else was put into it", found_.attributes.size(),
                         attributes.size()));
  }

 private:
  [[noreturn]] void refuse(std::string what) const { throw DataError(std::move(what), path_.string(), kMakeAgain); }

  const std::filesystem::path& path_;
  Hdf5Structure found_;
};

}  // namespace

std::int64_t FlatDataset::row_bytes() const {
  std::int64_t bytes = size_of(element);
  for (const std::int64_t size : row) bytes *= size;
  return bytes;
}

std::vector<FlatDataset> inspect_flat_file(const File& file, std::vector<FlatDataset> allowed,
                                           FlatAttributes& attributes) {
  const Inspection inspection(file);
  for (FlatDataset& dataset : allowed) inspection.find(dataset);
  inspection.expect_datasets(allowed.size());
  inspection.assign(attributes);
  return allowed;
}

}  // namespace trellis
