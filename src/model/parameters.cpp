#include "model/parameters.h"

#include <algorithm>
#include <functional>
#include <numeric>
#include <utility>

#include "base/errors.h"

namespace trellis {
namespace {

constexpr std::int64_t kAlignment = 16;  // elements: every tensor begins on a cache line, whatever precedes it

std::int64_t elements(const std::vector<std::int64_t>& shape) {
  return std::accumulate(shape.begin(), shape.end(), std::int64_t{1}, std::multiplies<>());
}

}  // namespace

ParameterLayout::ParameterLayout(const TrellisShape& shape)
    : ParameterLayout(shape, VocabularyStripes(shape.vocabulary, shape.cutoffs, 1), 0) {}

ParameterLayout::ParameterLayout(const TrellisShape& shape, VocabularyStripes stripes, int place)
    : blocks_(shape.blocks()), block_channels_(shape.block_channels()), taps_(shape.kernel), stripes_(std::move(stripes)), place_(place) {
  require(stripes_ == VocabularyStripes(shape.vocabulary, shape.cutoffs, stripes_.ranks()), "stripes are of the network's vocabulary");
  require(place >= 0 && place < stripes_.ranks(), "a place is one of the stripes' ranks");
  if (shape.classifier) {
    add("linear_weight", {shape.outputs, shape.outputs});
    add("linear_bias", {shape.outputs});
  } else {
    add_striped("embedding", {shape.vocabulary, shape.embedding});
    add_striped("decoder_bias", {shape.vocabulary});
    striped_size_ = flat_size_;
  }
  if (const auto clusters = static_cast<std::int64_t>(shape.cutoffs.size()); clusters > 0) {
    add("cluster_weight", {clusters, shape.outputs});
    add("cluster_bias", {clusters});
  }
  if (shape.experts > 0) {
    add("prior_weight", {shape.experts, shape.outputs});
    add("prior_bias", {shape.experts});
    add("latent_weight", {shape.experts * shape.embedding, shape.outputs});
    add("latent_bias", {shape.experts * shape.embedding});
  }
  const std::int64_t rows = 4 * shape.hidden;
  add_rows("bias", {rows});
  const char* const suffix = shape.weight_norm ? "_v" : "";
  add_kernel(std::string("W1") + suffix, shape.embedding, false);
  add_kernel(std::string("W2") + suffix, shape.hidden, shape.groups > 0);
  reduced_size_ = flat_size_;
  if (shape.weight_norm) {
    add_rows("W1_g", {rows, 1, 1});
    add_rows("W2_g", {rows, 1, 1});
  }
}

void ParameterLayout::append(ParameterInfo info) {
  info.offset = flat_size_;
  info.count = elements(info.shape);
  info.parameters += elements(info.whole());
  flat_size_ += (info.count + kAlignment - 1) / kAlignment * kAlignment;
  parameters_.push_back(std::move(info));
}

void ParameterLayout::add(std::string name, std::vector<std::int64_t> shape) {
  append({.name = std::move(name), .shape = shape, .published = shape});
}

void ParameterLayout::add_striped(std::string name, std::vector<std::int64_t> whole) {
  ParameterInfo info{.name = std::move(name), .shape = whole, .published = std::move(whole), .striped = true};
  info.shape[0] = stripes_.rows_of(place_);
  append(std::move(info));
}

void ParameterLayout::add_rows(std::string name, std::vector<std::int64_t> published) {
  append({.name = std::move(name), .shape = {published[0]}, .published = published, .rows = ParameterInfo::Rows::gates});
}

void ParameterLayout::add_kernel(std::string name, std::int64_t channels, bool grouped) {
  const std::int64_t rows = 4 * blocks_ * block_channels_;
  ParameterInfo info{.name = std::move(name), .shape = {rows, taps_, channels}, .published = {rows, channels, taps_},
                     .rows = ParameterInfo::Rows::kernel};
  if (grouped) {
    info.shape = {rows, taps_, block_channels_};
    info.parameters = -4 * block_channels_ * block_channels_;  // append adds the elements
    info.rows = ParameterInfo::Rows::grouped_kernel;
  }
  append(std::move(info));
}

std::vector<RowPiece> ParameterLayout::pieces(const ParameterInfo& info) const {
  if (!info.striped) return {{{0, info.shape[0]}, {0, info.shape[0]}}};
  std::vector<RowPiece> pieces;
  for (std::int64_t cluster = 0; cluster < stripes_.clusters(); ++cluster) {
    const RowPiece piece{stripes_.stripe(cluster, place_), stripes_.rows(cluster, place_)};
    if (!piece.memory.empty()) pieces.push_back(piece);
  }
  return pieces;
}

at::Tensor ParameterLayout::published(const ParameterInfo& info, const at::Tensor& memory) const {
  if (info.striped && !whole()) throw InternalError("a rank has only its stripes of " + info.name, "", "");
  const std::int64_t G = blocks_, S = block_channels_;
  switch (info.rows) {
    case ParameterInfo::Rows::plain: return memory;
    case ParameterInfo::Rows::gates: return memory.view({G, 4, S}).transpose(0, 1).reshape(info.published);
    case ParameterInfo::Rows::kernel: return memory.view({G, 4, S, taps_, -1}).permute({1, 0, 2, 4, 3}).reshape(info.published);
    case ParameterInfo::Rows::grouped_kernel: break;
  }
  const at::Tensor blocks = memory.view({G, 4, S, taps_, S}).permute({1, 0, 2, 4, 3});  // [4, G, S, S, k]
  const at::Tensor whole = at::zeros({4, G, S, G, S, taps_}, memory.options());
  for (std::int64_t g = 0; g < G; ++g) {
    const auto columns = [&](const at::Tensor& t, std::int64_t from) { return t.select(1, g).select(2, from); };
    columns(whole, g).narrow(3, 0, taps_ - 1).copy_(blocks.select(1, g).narrow(3, 0, taps_ - 1));
    if (g > 0) columns(whole, g - 1).select(3, taps_ - 1).copy_(blocks.select(1, g).select(3, taps_ - 1));
  }
  return whole.view(info.published);
}

at::Tensor ParameterLayout::in_memory(const ParameterInfo& info, const at::Tensor& published) const {
  if (info.striped && !whole()) {
    const at::Tensor own = at::empty(info.shape, published.options());
    for (const RowPiece& piece : pieces(info)) {
      own.narrow(0, piece.memory.begin, piece.memory.size()).copy_(published.narrow(0, piece.whole.begin, piece.whole.size()));
    }
    return own;
  }
  const std::int64_t G = blocks_, S = block_channels_;
  switch (info.rows) {
    case ParameterInfo::Rows::plain: return published;
    case ParameterInfo::Rows::gates: return published.reshape({4, G, S}).transpose(0, 1).reshape(info.shape);
    case ParameterInfo::Rows::kernel: return published.reshape({4, G, S, -1, taps_}).permute({1, 0, 2, 4, 3}).reshape(info.shape);
    case ParameterInfo::Rows::grouped_kernel: break;
  }
  const at::Tensor whole = published.reshape({4, G, S, G, S, taps_});
  const at::Tensor blocks = at::zeros({G, 4, S, taps_, S}, published.options());
  for (std::int64_t g = 0; g < G; ++g) {
    const auto columns = [&](std::int64_t from) { return whole.select(1, g).select(2, from).transpose(2, 3); };  // [4, S, k, S]
    blocks.select(0, g).narrow(2, 0, taps_ - 1).copy_(columns(g).narrow(2, 0, taps_ - 1));
    if (g > 0) blocks.select(0, g).select(2, taps_ - 1).copy_(columns(g - 1).select(2, taps_ - 1));
  }
  return blocks.view(info.shape);
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
                         [](std::int64_t sum, const auto& p) { return sum + p.parameters; });
}

Parameters::Parameters(const ParameterLayout& layout, at::TensorOptions options)
    : layout_(layout), flat_(at::zeros({layout.flat_size()}, options)) {}

at::Tensor Parameters::view(std::string_view name) const {
  if (!layout_.contains(name)) return {};
  const ParameterInfo& info = layout_.find(name);
  return flat_.narrow(0, info.offset, info.count).view(info.shape);
}

at::Tensor Parameters::published(std::string_view name) const { return layout_.published(layout_.find(name), view(name)); }

void Parameters::assign(std::string_view name, const at::Tensor& published) {
  view(name).copy_(layout_.in_memory(layout_.find(name), published));
}

}  // namespace trellis
