#include "parity/parity_file.h"

#include <algorithm>
#include <fmt/core.h>
#include <span>

#include "base/errors.h"
#include "base/json_document.h"

namespace trellis {
namespace {

constexpr const char* kWriteAgain = "write the file with make_fixtures.py, or as its format says";
constexpr std::uint64_t kMostElements = std::uint64_t{1} << 28;  // 2 GiB of float64: cases are small

}  // namespace

ParityFile::ParityFile(const std::string& path)
    : path_(path), file_(File::open_to_read(path)), structure_(read_hdf5_structure(file_, Hdf5Groups::nested, kWriteAgain)) {
  const auto config = std::ranges::find(structure_.attributes, "config", &Hdf5Attribute::name);
  if (config == structure_.attributes.end())
    throw DataError("there is no attribute 'config'", path + ": attribute config", kWriteAgain);
  config_ = parse_json(config->value, {.bytes = 1 << 20, .depth = 8, .values = 10'000}, {"the attribute 'config'", path, "write the file again"});
  if (!config_.is_object()) throw DataError("the attribute 'config' is not a JSON object", path, "write the file again");
}

const Hdf5Dataset* ParityFile::find(const std::string& name) const {
  const auto found = std::ranges::find(structure_.datasets, name, &Hdf5Dataset::name);
  return found == structure_.datasets.end() ? nullptr : &*found;
}

bool ParityFile::contains(const std::string& name) const {
  return find(name) != nullptr || std::ranges::find(structure_.groups, name) != structure_.groups.end();
}

std::vector<std::string> ParityFile::names(const std::string& group) const {
  std::vector<std::string> found;
  const auto add = [&](const std::string& name) {
    if (name.starts_with(group + "/") && name.find('/', group.size() + 1) == std::string::npos)
      found.push_back(name.substr(group.size() + 1));
  };
  for (const Hdf5Dataset& dataset : structure_.datasets) add(dataset.name);
  for (const std::string& inner : structure_.groups) add(inner);
  std::ranges::sort(found);
  return found;
}

at::Tensor ParityFile::read(const std::string& name) const {
  const std::string where = path_ + ": " + name;
  const Hdf5Dataset* const dataset = find(name);
  if (dataset == nullptr)
    throw DataError(contains(name) ? "not a dataset" : "there is no such dataset", where, "write the file again");
  const bool real = dataset->element == Hdf5Element::f64;
  if (!real && dataset->element != Hdf5Element::i64)
    throw DataError(fmt::format("the numbers are {}, expected float64 or int64", name_of(dataset->element)), where, "write the file again");
  if (static_cast<std::uint64_t>(dataset->bytes) > kMostElements * sizeof(double) || dataset->shape.size() > 8)
    throw DataError(fmt::format("more than {} elements or 8 dimensions", kMostElements), where, "parity cases are small");
  at::Tensor values = at::empty(std::vector<std::int64_t>(dataset->shape.begin(), dataset->shape.end()), real ? at::kDouble : at::kLong);
  file_.read_at(dataset->offset, std::span(static_cast<std::byte*>(values.mutable_data_ptr()), static_cast<std::size_t>(dataset->bytes)));
  return values;
}

}  // namespace trellis
