#include "model/tied_softmax.h"

#include <algorithm>

#include "base/time_span.h"
#include "model/launch.h"

namespace trellis {
namespace {

// Memory for the logits of one tile. Larger tiles mean fewer passes over the embedding's gradient.
// A CPU wants them in its cache, a GPU large products.
constexpr std::int64_t kTileBytes = std::int64_t{6} << 20, kGpuTileBytes = std::int64_t{256} << 20;

// The first rows of a flat buffer, as a matrix.
at::Tensor rows_of(const at::Tensor& memory, std::int64_t rows, std::int64_t channels) {
  return memory.narrow(0, 0, rows * channels).view({rows, channels});
}

}  // namespace

// Rows that are worked on at once.
struct TiedSoftmax::Tile {
  at::Tensor hidden, d_hidden;  // [rows, O]; d_hidden undefined for no gradient
  at::Tensor targets;           // [rows] int64, within the span
  at::Tensor scale;             // [rows]
  at::Tensor loss;              // [rows], overwritten
  bool first;                   // the first tile of its span overwrites the span's gradients
};

TiedSoftmax::TiedSoftmax(const TrellisShape& shape, std::int64_t rows, std::int64_t blocks, at::TensorOptions options)
    : shape_(shape), options_(options) {
  const std::int64_t head_classes = head().words.size() + head().entries;
  std::int64_t logits = tile_rows(rows, head_classes) * head_classes;
  for (std::size_t cluster = 0; cluster < shape.cutoffs.size(); ++cluster) {
    const std::int64_t words = tail(cluster).words.size();
    logits = std::max(logits, std::min(rows * blocks, most_tile_rows(words)) * words);
  }
  logits_ = at::empty({logits}, options);
  if (shape.cutoffs.empty()) return;
  gathered_ = at::empty({rows * blocks * shape.outputs}, options);
  d_gathered_ = at::empty_like(gathered_);
}

std::int64_t TiedSoftmax::most_tile_rows(std::int64_t classes) const {
  const std::int64_t bytes = options_.device().is_cuda() ? kGpuTileBytes : kTileBytes;
  return std::max<std::int64_t>(16, bytes / (classes * static_cast<std::int64_t>(options_.dtype().itemsize())));
}

std::int64_t TiedSoftmax::tile_rows(std::int64_t rows, std::int64_t classes) const {
  const std::int64_t most = most_tile_rows(classes);
  const std::int64_t tiles = std::max<std::int64_t>(1, (rows + most - 1) / most);
  return (rows + tiles - 1) / tiles;
}

void TiedSoftmax::clear_span(const Span& span, Parameters& gradients) const {
  gradients.view("embedding").narrow(0, span.words.begin, span.words.size()).zero_();
  gradients.view("decoder_bias").narrow(0, span.words.begin, span.words.size()).zero_();
  if (span.entries > 0) {
    gradients.view("cluster_weight").zero_();
    gradients.view("cluster_bias").zero_();
  }
}

TiedSoftmax::Span TiedSoftmax::head() const {
  return {{0, shape_.cutoffs.empty() ? shape_.vocabulary : shape_.cutoffs.front()}, static_cast<std::int64_t>(shape_.cutoffs.size())};
}

TiedSoftmax::Span TiedSoftmax::tail(std::size_t cluster) const {
  return {{shape_.cutoffs[cluster], cluster + 1 < shape_.cutoffs.size() ? shape_.cutoffs[cluster + 1] : shape_.vocabulary}, 0};
}

// The parts of a span's columns: words, then the clusters' entries, each with its own matrix.
struct TiedSoftmax::Part {
  const char *weight, *bias;
  Range range;    // rows of weight and bias
  Range columns;  // of the span's logits

  at::Tensor of(const at::Tensor& parameter) const { return parameter.narrow(0, range.begin, range.size()); }
  at::Tensor in(const at::Tensor& logits) const { return logits.narrow(1, columns.begin, columns.size()); }
};

std::vector<TiedSoftmax::Part> TiedSoftmax::parts(const Span& span) {
  std::vector<Part> parts{{"embedding", "decoder_bias", span.words, {0, span.words.size()}}};
  if (span.entries > 0) {
    parts.push_back({"cluster_weight", "cluster_bias", {0, span.entries}, {span.words.size(), span.words.size() + span.entries}});
  }
  return parts;
}

void TiedSoftmax::compute_logits(const Parameters& weights, const Span& span, const at::Tensor& hidden, const at::Tensor& logits) {
  for (const Part& part : parts(span)) {
    at::Tensor columns = part.in(logits);
    at::addmm_out(columns, part.of(weights.view(part.bias)), hidden, part.of(weights.view(part.weight)).t());
  }
}

void TiedSoftmax::run_tile(const Parameters& weights, const Span& span, const Tile& tile, Parameters* gradients) {
  const std::int64_t rows = tile.hidden.size(0), classes = span.words.size() + span.entries;
  const at::Tensor logits = rows_of(logits_, rows, classes);
  compute_logits(weights, span, tile.hidden, logits);
  cross_entropy(logits, tile.targets, tile.loss, gradients ? tile.scale : at::Tensor());
  if (!gradients) return;
  Accumulate to_hidden = Accumulate::overwrite;
  const Accumulate to_weights = tile.first ? Accumulate::overwrite : Accumulate::add;
  for (const Part& part : parts(span)) {
    const at::Tensor d_logits = part.in(logits), d_bias = part.of(gradients->view(part.bias));
    multiply(tile.d_hidden, d_logits, part.of(weights.view(part.weight)), to_hidden);
    multiply(part.of(gradients->view(part.weight)), d_logits.t(), tile.hidden, to_weights);
    if (tile.first) d_bias.zero_();
    add_column_sums(d_bias, d_logits);
    to_hidden = Accumulate::add;
  }
}

at::Tensor TiedSoftmax::log_probabilities(const Parameters& weights, const at::Tensor& hidden) {
  const auto of_span = [&](const Span& span) {
    const at::Tensor logits = at::empty({hidden.size(0), span.words.size() + span.entries}, options_);
    compute_logits(weights, span, hidden, logits);
    return at::log_softmax(logits, 1);
  };
  const at::Tensor of_head = of_span(head());
  const std::int64_t head_words = head().words.size();
  std::vector<at::Tensor> parts_of_vocabulary{of_head.narrow(1, 0, head_words)};
  for (std::size_t cluster = 0; cluster < shape_.cutoffs.size(); ++cluster) {
    parts_of_vocabulary.push_back(of_head.narrow(1, head_words + static_cast<std::int64_t>(cluster), 1) + of_span(tail(cluster)));
  }
  return at::cat(parts_of_vocabulary, 1);
}

at::Tensor TiedSoftmax::run(const Parameters& weights, const std::vector<LossRows>& blocks, const at::Tensor& targets,
                            Parameters* gradients) {
  const std::int64_t rows = targets.size(0), block_count = static_cast<std::int64_t>(blocks.size());
  const at::Device device = options_.device();
  const at::Tensor losses = at::zeros({block_count, rows}, options_.dtype(at::kDouble));

  // The head sees every row; a word of a tail cluster stands there as its cluster's entry.
  expect_within_vocabulary(targets, shape_.vocabulary);
  const std::int64_t* const words = targets.const_data_ptr<std::int64_t>();
  const Span head_span = head();
  at::Tensor head_targets = at::empty({rows}, at::kLong);
  std::vector<std::vector<std::int64_t>> rows_of_cluster(shape_.cutoffs.size());
  for (std::int64_t row = 0; row < rows; ++row) {
    const std::int64_t word = words[row];
    const auto cluster = std::upper_bound(shape_.cutoffs.begin(), shape_.cutoffs.end(), word) - shape_.cutoffs.begin();
    head_targets.mutable_data_ptr<std::int64_t>()[row] = cluster == 0 ? word : head_span.words.end + cluster - 1;
    if (cluster > 0) rows_of_cluster[static_cast<std::size_t>(cluster - 1)].push_back(row);
  }
  head_targets = on_device(head_targets, device);
  if (gradients && rows == 0) clear_span(head_span, *gradients);

  const std::int64_t head_tile = tile_rows(rows, head_span.words.size() + head_span.entries);
  bool first = true;
  for (std::int64_t n = 0; n < block_count; ++n) {
    const TimeSpan timed("softmax", {.item = n});
    const LossRows& block = blocks[static_cast<std::size_t>(n)];
    for (std::int64_t row = 0; row < rows; row += head_tile) {
      const std::int64_t count = std::min(head_tile, rows - row);
      run_tile(weights, head_span,
               {.hidden = block.hidden.narrow(0, row, count),
                .d_hidden = gradients ? block.d_hidden.narrow(0, row, count) : at::Tensor(),
                .targets = head_targets.narrow(0, row, count),
                .scale = at::full({count}, block.scale, options_),
                .loss = losses[n].narrow(0, row, count),
                .first = first},
               gradients);
      first = false;
    }
  }

  // A tail cluster sees the rows whose word lies in it, of all blocks at once.
  for (std::size_t cluster = 0; cluster < shape_.cutoffs.size(); ++cluster) {
    const TimeSpan timed("softmax of a cluster", {.item = static_cast<std::int64_t>(cluster)});
    const Span span = tail(cluster);
    const std::vector<std::int64_t>& members = rows_of_cluster[cluster];
    const std::int64_t member_count = static_cast<std::int64_t>(members.size()), total = member_count * block_count;
    if (total == 0) {
      if (gradients) clear_span(span, *gradients);
      continue;
    }
    const at::Tensor host_index = at::tensor(members, at::kLong);
    const at::Tensor local = on_device((targets.index_select(0, host_index) - span.words.begin).repeat({block_count}), device);
    const at::Tensor index = on_device(host_index, device);  // each row once, so that sums over it have one order
    const at::Tensor hidden = rows_of(gathered_, total, shape_.outputs);
    const at::Tensor d_hidden = gradients ? rows_of(d_gathered_, total, shape_.outputs) : at::Tensor();
    const at::Tensor scale = at::empty({total}, options_);
    for (std::int64_t n = 0; n < block_count; ++n) {
      at::Tensor part = hidden.narrow(0, n * member_count, member_count);
      at::index_select_out(part, blocks[static_cast<std::size_t>(n)].hidden, 0, index);
      scale.narrow(0, n * member_count, member_count).fill_(blocks[static_cast<std::size_t>(n)].scale);
    }
    const at::Tensor tail_loss = at::empty({total}, options_.dtype(at::kDouble));
    const std::int64_t tile = tile_rows(total, span.words.size());
    for (std::int64_t row = 0; row < total; row += tile) {
      const std::int64_t count = std::min(tile, total - row);
      run_tile(weights, span,
               {.hidden = hidden.narrow(0, row, count),
                .d_hidden = gradients ? d_hidden.narrow(0, row, count) : at::Tensor(),
                .targets = local.narrow(0, row, count),
                .scale = scale.narrow(0, row, count),
                .loss = tail_loss.narrow(0, row, count),
                .first = row == 0},
               gradients);
    }
    for (std::int64_t n = 0; n < block_count; ++n) {
      if (gradients) {
        at::Tensor target = blocks[static_cast<std::size_t>(n)].d_hidden;
        target.index_add_(0, index, d_hidden.narrow(0, n * member_count, member_count));
      }
      losses[n].index_add_(0, index, tail_loss.narrow(0, n * member_count, member_count));
    }
  }
  return losses.cpu();
}

}  // namespace trellis
