#include "parallel/vocabulary_embedding.h"

#include <algorithm>
#include <span>

#include "base/time_span.h"
#include "model/embedding.h"
#include "model/launch.h"

namespace trellis {
namespace {

at::Tensor index_of(const std::vector<std::int64_t>& values, at::Device device) { return on_device(at::tensor(values, at::kLong), device); }

std::span<const std::int64_t> numbers_of(const at::Tensor& values) {
  return {values.const_data_ptr<std::int64_t>(), static_cast<std::size_t>(values.numel())};
}

}  // namespace

VocabularyEmbedding::VocabularyEmbedding(const MeshGroups& groups, const VocabularyStripes& stripes, std::int64_t all_lanes,
                                         std::int64_t max_steps, at::TensorOptions options)
    : groups_(groups), stripes_(stripes), all_lanes_(all_lanes), options_(options) {
  const Mesh& mesh = groups.mesh;
  std::int64_t most_lanes = 0;
  for (int group = 0; group < mesh.groups(); ++group) most_lanes = std::max(most_lanes, mesh.lanes_of_group(all_lanes, group).size());
  rows_travel_ = input_gradient_travels_as_rows(mesh.groups(), most_lanes * max_steps, stripes.most_rows());
  lanes_ = rows_travel_ ? Range{0, all_lanes} : mesh.lanes_of_group(all_lanes, mesh.group_of(groups.rank));
}

Range VocabularyEmbedding::own_lanes() const { return groups_.mesh.lanes_of_replica(all_lanes_, groups_.mesh.replica_of(groups_.rank)); }

void VocabularyEmbedding::begin_window(const at::Tensor& tokens, std::int64_t steps) {
  const Mesh& mesh = groups_.mesh;
  tokens_ = lanes_of(tokens, steps, lanes_, own_lanes());
  if (all_here() && !rows_travel_) return;
  const TimeSpan timed("embedding exchange plan");

  std::vector<std::vector<std::int64_t>> words_of_replica(static_cast<std::size_t>(mesh.data));
  const auto words_of = [&](int rank) -> const std::vector<std::int64_t>& {
    const int replica = mesh.replica_of(rank);
    auto& words = words_of_replica[static_cast<std::size_t>(replica)];
    const Range lanes = mesh.lanes_of_replica(all_lanes_, replica);
    if (words.empty() && !lanes.empty()) words = distinct_words(numbers_of(lanes_of(tokens, steps, lanes_, lanes)), stripes_);
    return words;
  };
  const auto words_of_group = [&](int group) {
    std::vector<std::vector<std::int64_t>> lists;
    const Range ranks = mesh.ranks_of_group(group);
    for (std::int64_t rank = ranks.begin; rank < ranks.end; ++rank) lists.push_back(words_of(static_cast<int>(rank)));
    return lists;
  };
  const int place = mesh.place_of(groups_.rank), own_group = mesh.group_of(groups_.rank);
  exchange_ = plan_embedding_exchange(stripes_, words_of_group(own_group), place, numbers_of(tokens_));
  words_ = index_of(exchange_.words, options_.device());
  send_rows_ = index_of(exchange_.send_rows, options_.device());
  places_ = at::tensor(exchange_.place_of_token, at::kLong);
  rows_of_copy_.clear();
  for (int group = 0; group < mesh.groups() && rows_travel_; ++group) {
    rows_of_copy_.push_back(owned_rows(stripes_, place, words_of_group(group)));
  }
}

DropoutMasks VocabularyEmbedding::compact(const DropoutMasks& masks) const {
  DropoutMasks result;
  result.input = masks.input;
  if (masks.embedding_rows.defined()) result.embedding_rows = masks.embedding_rows.index_select(0, words_);
  return result;
}

void VocabularyEmbedding::lookup(const Parameters& weights, const DropoutMasks& masks, const at::Tensor& values) {
  const at::Tensor embedding = weights.view("embedding");
  if (all_here()) {
    if (tokens_.numel() > 0) embed(embedding, tokens_, masks, own_lanes().size(), values);
    return;
  }
  at::Tensor table;
  {
    const TimeSpan timed("embedding exchange");
    table = at::empty({words_.size(0), embedding.size(1)}, options_);
    groups_.vocabulary.all_to_all(table, embedding.index_select(0, send_rows_), exchange_.receive_counts, exchange_.send_counts);
  }
  if (tokens_.numel() > 0) embed(table, places_, compact(masks), own_lanes().size(), values);
}

void VocabularyEmbedding::backward(const at::Tensor& d_values, const DropoutMasks& masks, Parameters& gradients, bool keep_rows) {
  kept_ = at::Tensor();
  const at::Tensor d_embedding = gradients.view("embedding");
  const std::int64_t lanes = own_lanes().size(), channels = d_embedding.size(1);
  if (all_here() && !keep_rows) {
    if (tokens_.numel() > 0) embed_backward(d_values, tokens_, masks, lanes, d_embedding);
    return;
  }
  const at::Tensor d_table = at::zeros({words_.size(0), channels}, options_);
  if (tokens_.numel() > 0) embed_backward(d_values, places_, compact(masks), lanes, d_table);
  at::Tensor received = d_table;  // the owner's rows, of one rank after the other
  if (!all_here()) {
    const TimeSpan timed("embedding exchange");
    received = at::empty({send_rows_.size(0), channels}, options_);
    groups_.vocabulary.all_to_all(received, d_table, exchange_.send_counts, exchange_.receive_counts);
  }
  at::Tensor sum = d_embedding, rows = send_rows_;
  if (keep_rows) {
    const std::vector<std::int64_t>& own = rows_of_copy_[static_cast<std::size_t>(groups_.mesh.group_of(groups_.rank))];
    std::vector<std::int64_t> places;
    for (const std::int64_t row : exchange_.send_rows) places.push_back(std::lower_bound(own.begin(), own.end(), row) - own.begin());
    rows = index_of(places, options_.device());
    kept_ = sum = at::zeros({static_cast<std::int64_t>(own.size()), channels}, options_);
  }
  std::int64_t first = 0;
  for (const std::int64_t count : exchange_.send_counts) {  // a rank has a row once: each sum has one order
    if (count > 0) sum.index_add_(0, rows.narrow(0, first, count), received.narrow(0, first, count));
    first += count;
  }
}

void VocabularyEmbedding::add_rows(Parameters& gradients) {
  if (!kept_.defined()) return;
  const TimeSpan timed("embedding rows of all copies");
  std::int64_t most = 0;
  for (const auto& rows : rows_of_copy_) most = std::max<std::int64_t>(most, static_cast<std::int64_t>(rows.size()));
  const std::int64_t copies = groups_.copies.size(), channels = kept_.size(1);
  const at::Tensor own = at::zeros({most, channels}, options_), all = at::empty({copies * most, channels}, options_);
  own.narrow(0, 0, kept_.size(0)).copy_(kept_);
  groups_.copies.all_gather(all, own);
  at::Tensor d_embedding = gradients.view("embedding");
  for (std::int64_t copy = 0; copy < copies; ++copy) {
    const std::vector<std::int64_t>& rows = rows_of_copy_[static_cast<std::size_t>(copy)];
    if (rows.empty()) continue;
    d_embedding.index_add_(0, index_of(rows, options_.device()), all.narrow(0, copy * most, static_cast<std::int64_t>(rows.size())));
  }
}

}  // namespace trellis
