#include "model/parameters.h"

#include <algorithm>
#include <functional>
#include <numeric>
#include <utility>

#include "base/errors.h"

namespace trellis {
namespace {

constexpr std::int64_t kAlignment = 16;  // elements: every tensor begins on a cache line, whatever precedes it

}  // namespace

ParameterLayout::ParameterLayout(const TrellisShape& shape) {
  const std::int64_t rows = 4 * shape.hidden;
  const std::int64_t clusters = static_cast<std::int64_t>(shape.cutoffs.size());
  add("embedding", {shape.vocabulary, shape.embedding});
  add("decoder_bias", {shape.vocabulary});
  if (clusters > 0) {
    add("cluster_weight", {clusters, shape.outputs});
    add("cluster_bias", {clusters});
  }
  add("bias", {rows});
  const char* const suffix = shape.weight_norm ? "_v" : "";
  add(std::string("W1") + suffix, {rows, shape.kernel, shape.embedding}, true);
  add(std::string("W2") + suffix, {rows, shape.kernel, shape.hidden}, true);
  reduced_size_ = flat_size_;
  if (shape.weight_norm) {
    add("W1_g", {rows});
    add("W2_g", {rows});
  }
}

void ParameterLayout::add(std::string name, std::vector<std::int64_t> shape, bool kernel) {
  const std::int64_t count = std::accumulate(shape.begin(), shape.end(), std::int64_t{1}, std::multiplies<>());
  parameters_.push_back({std::move(name), std::move(shape), flat_size_, count, kernel});
  flat_size_ += (count + kAlignment - 1) / kAlignment * kAlignment;
}

bool ParameterLayout::contains(std::string_view name) const {
  return std::any_of(parameters_.begin(), parameters_.end(), [&](const auto& p) { return p.name == name; });
}

const ParameterInfo& ParameterLayout::find(std::string_view name) const {
  const auto found = std::find_if(parameters_.begin(), parameters_.end(), [&](const auto& p) { return p.name == name; });
  if (found == parameters_.end()) throw InternalError("no parameter is called " + std::string(name), "", "");
  return *found;
}

std::int64_t ParameterLayout::count() const {
  return std::accumulate(parameters_.begin(), parameters_.end(), std::int64_t{0},
                         [](std::int64_t sum, const auto& p) { return sum + p.count; });
}

Parameters::Parameters(const ParameterLayout& layout, at::TensorOptions options)
    : layout_(layout), flat_(at::zeros({layout.flat_size()}, options)) {}

at::Tensor Parameters::view(std::string_view name) const {
  if (!layout_.contains(name)) return {};
  const ParameterInfo& info = layout_.find(name);
  return flat_.narrow(0, info.offset, info.count).view(info.shape);
}

at::Tensor Parameters::published(std::string_view name) const {
  const ParameterInfo& info = layout_.find(name);
  const at::Tensor memory = view(name);
  if (info.kernel) return memory.permute({0, 2, 1});
  if (name.ends_with("_g")) return memory.view({-1, 1, 1});
  return memory;
}

}  // namespace trellis
