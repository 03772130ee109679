#include "model/tied_softmax.h"

#include <algorithm>

#include "base/time_span.h"
#include "model/launch.h"
#include "model/tensor_functions.h"

namespace trellis {
namespace {

// The first rows of a flat buffer, as a matrix.
at::Tensor rows_of(const at::Tensor& memory, std::int64_t rows, std::int64_t channels) {
  return memory.narrow(0, 0, rows * channels).view({rows, channels});
}

}  // namespace

// Rows that are worked on at once.
struct TiedSoftmax::Tile {
  at::Tensor hidden, d_hidden;  // [rows, O]; d_hidden undefined for no gradient
  at::Tensor targets;           // [rows] int64: columns of the span, or -1
  at::Tensor scale;             // [rows]
  at::Tensor loss;              // [rows], overwritten

  Tile narrowed(std::int64_t first, std::int64_t count) const {
    const auto part = [&](const at::Tensor& t) { return t.defined() ? t.narrow(0, first, count) : at::Tensor(); };
    return {part(hidden), part(d_hidden), part(targets), part(scale), part(loss)};
  }
};

TiedSoftmax::TiedSoftmax(const TrellisShape& shape, std::int64_t rows, const VocabularyShare& share, at::TensorOptions options)
    : shape_(shape), share_(share), options_(options), limits_(options.device().is_cuda() ? kGpuLoss : kCpuLoss) {
  std::int64_t logits = 0, tile_rows = 0;
  for (std::int64_t cluster = 0; cluster <= tails(); ++cluster) {
    const std::int64_t of_cluster = std::min(rows, most_tile_rows(cluster));
    logits = std::max(logits, of_cluster * limits_.row_length(span(cluster).classes()));
    tile_rows = std::max(tile_rows, of_cluster);
  }
  for (int slot = 0; slot < tiles_alive(share.stripes.ranks()); ++slot) {
    slots_.push_back({at::empty({logits}, options), StripedCrossEntropy(share.group, tile_rows, options)});
  }
  if (shape.cutoffs.empty()) return;
  gathered_ = at::empty({rows * shape.outputs}, options);
  d_gathered_ = at::empty_like(gathered_);
}

TiedSoftmax::Span TiedSoftmax::span(std::int64_t cluster) const {
  return {.cluster = cluster,
          .words = share_.stripes.stripe(cluster, share_.place),
          .rows = share_.stripes.rows(cluster, share_.place),
          .entries = cluster == 0 && share_.place == 0 ? tails() : 0};
}

std::int64_t TiedSoftmax::most_classes(std::int64_t cluster) const {
  return share_.stripes.stripe(cluster, 0).size() + (cluster == 0 ? tails() : 0);
}

std::int64_t TiedSoftmax::most_tile_rows(std::int64_t cluster) const {
  return softmax_tile_rows(most_classes(cluster), limits_, static_cast<std::int64_t>(options_.dtype().itemsize()), share_.stripes.ranks());
}

void TiedSoftmax::add_tiles(std::vector<Tile>& tiles, const Tile& rows, std::int64_t most_rows) const {
  const std::int64_t all = rows.hidden.size(0), count = (all + most_rows - 1) / most_rows;
  const std::int64_t size = count == 0 ? 0 : (all + count - 1) / count;
  for (std::int64_t first = 0; first < all; first += size) tiles.push_back(rows.narrowed(first, std::min(size, all - first)));
}

void TiedSoftmax::clear_span(const Span& span, Parameters& gradients) const {
  gradients.view("embedding").narrow(0, span.rows.begin, span.rows.size()).zero_();
  gradients.view("decoder_bias").narrow(0, span.rows.begin, span.rows.size()).zero_();
  if (span.entries > 0) {
    gradients.view("cluster_weight").zero_();
    gradients.view("cluster_bias").zero_();
  }
}

// The parts of a span's columns: words, then the clusters' entries, each with its own matrix; words that are no multiple of what
// the device's products like, in two.
struct TiedSoftmax::Part {
  const char *weight, *bias;
  Range range;    // rows of weight and bias
  Range columns;  // of the span's logits

  at::Tensor of(const at::Tensor& parameter) const { return parameter.narrow(0, range.begin, range.size()); }
  at::Tensor in(const at::Tensor& logits) const { return logits.narrow(1, columns.begin, columns.size()); }
};

std::vector<TiedSoftmax::Part> TiedSoftmax::parts(const Span& span) const {
  std::vector<Part> parts;
  const std::int64_t words = span.words.size(), aligned = words / limits_.aligned * limits_.aligned;
  for (const Range part : {Range{0, aligned}, Range{aligned, words}}) {
    if (!part.empty()) parts.push_back({"embedding", "decoder_bias", {span.rows.begin + part.begin, span.rows.begin + part.end}, part});
  }
  if (span.entries > 0) parts.push_back({"cluster_weight", "cluster_bias", {0, span.entries}, {span.words.size(), span.classes()}});
  return parts;
}

at::Tensor TiedSoftmax::logits_in(const at::Tensor& memory, std::int64_t rows, const Span& span) const {
  return rows_of(memory, rows, limits_.row_length(span.classes())).narrow(1, 0, span.classes());
}

void TiedSoftmax::compute_logits(const Parameters& weights, const Span& span, const at::Tensor& hidden, const at::Tensor& logits) const {
  for (const Part& part : parts(span)) {
    at::Tensor columns = part.in(logits);
    at::addmm_out(columns, part.of(weights.view(part.bias)), hidden, part.of(weights.view(part.weight)).t());
  }
}

void TiedSoftmax::begin_tile(const Parameters& weights, const Span& span, const Tile& tile, Slot& slot, bool with_gradient) {
  const at::Tensor logits = logits_in(slot.logits, tile.hidden.size(0), span);
  compute_logits(weights, span, tile.hidden, logits);
  slot.entropy.begin(logits, tile.targets, with_gradient);
}

void TiedSoftmax::end_tile(const Parameters& weights, const Span& span, const Tile& tile, Slot& slot, Parameters* gradients, Accumulate accumulate) {
  slot.entropy.end(tile.loss, gradients ? tile.scale : at::Tensor());
  if (!gradients) return;
  const at::Tensor d_all = logits_in(slot.logits, tile.hidden.size(0), span);
  Accumulate to_hidden = Accumulate::overwrite;
  for (const Part& part : parts(span)) {
    const at::Tensor d_logits = part.in(d_all), d_bias = part.of(gradients->view(part.bias));
    multiply(tile.d_hidden, d_logits, part.of(weights.view(part.weight)), to_hidden);
    multiply(part.of(gradients->view(part.weight)), d_logits.t(), tile.hidden, accumulate);
    if (accumulate == Accumulate::overwrite) d_bias.zero_();
    add_column_sums(d_bias, d_logits);
    to_hidden = Accumulate::add;
  }
  if (to_hidden == Accumulate::overwrite) tile.d_hidden.zero_();  // no class of this span is here
}

void TiedSoftmax::run_tiles(const Parameters& weights, const Span& span, const std::vector<Tile>& tiles, Parameters* gradients,
                            Accumulate accumulate) {
  if (tiles.empty() && gradients && accumulate == Accumulate::overwrite) clear_span(span, *gradients);
  const std::size_t ahead = slots_.size() - 1;
  for (std::size_t n = 0; n < tiles.size() + ahead; ++n) {
    if (n < tiles.size()) begin_tile(weights, span, tiles[n], slots_[n % slots_.size()], gradients != nullptr);
    if (n < ahead) continue;
    const std::size_t done = n - ahead;
    end_tile(weights, span, tiles[done], slots_[done % slots_.size()], gradients, done == 0 ? accumulate : Accumulate::add);
  }
}

at::Tensor TiedSoftmax::log_probabilities(const Parameters& weights, const at::Tensor& hidden) {
  require(share_.stripes.ranks() == 1, "probabilities of all words need all words");
  const auto of_span = [&](const Span& columns) {
    const at::Tensor logits = at::empty({hidden.size(0), columns.classes()}, options_);
    compute_logits(weights, columns, hidden, logits);
    return log_softmax(logits);
  };
  const at::Tensor of_head = of_span(span(0));
  const std::int64_t head_words = span(0).words.size();
  std::vector<at::Tensor> parts_of_vocabulary{of_head.narrow(1, 0, head_words)};
  for (std::int64_t tail = 1; tail <= tails(); ++tail) {
    parts_of_vocabulary.push_back(of_head.narrow(1, head_words + tail - 1, 1) + of_span(span(tail)));
  }
  return at::cat(parts_of_vocabulary, 1);
}

at::Tensor TiedSoftmax::head_targets(const at::Tensor& targets, std::vector<std::vector<std::int64_t>>& rows_of_tail) const {
  const Span head = span(0);
  const at::Tensor columns = at::empty_like(targets);
  const std::int64_t* const words = targets.const_data_ptr<std::int64_t>();
  std::int64_t* const column = columns.mutable_data_ptr<std::int64_t>();
  for (std::int64_t row = 0; row < targets.size(0); ++row) {
    const std::int64_t cluster = share_.stripes.cluster_of(words[row]);
    if (cluster > 0) rows_of_tail[static_cast<std::size_t>(cluster - 1)].push_back(row);
    if (cluster > 0) {  // a word of a tail cluster stands in the head as its cluster's entry
      column[row] = head.entries > 0 ? head.words.size() + cluster - 1 : -1;
    } else {
      column[row] = head.words.contains(words[row]) ? words[row] - head.words.begin : -1;
    }
  }
  return on_device(columns, options_.device());
}

at::Tensor TiedSoftmax::run(const Parameters& weights, const std::vector<LossRows>& blocks, Parameters* gradients, Accumulate accumulate) {
  const std::int64_t all_rows = expect_loss_rows(blocks, shape_.outputs, shape_.vocabulary, gradients != nullptr);
  const at::Tensor losses = at::zeros({all_rows}, options_.dtype(at::kDouble));

  // The head sees every row, a tail cluster the rows whose word lies in it.
  std::vector<std::vector<std::vector<std::int64_t>>> rows_of_tail;  // by block, tail
  std::vector<Tile> tiles;
  at::Tensor targets;
  std::int64_t first = 0;
  for (std::size_t n = 0; n < blocks.size(); ++n) {
    const LossRows& block = blocks[n];
    const std::int64_t rows = block.hidden.size(0);
    if (n > 0 && block.targets.is_same(blocks[n - 1].targets)) {
      rows_of_tail.push_back(rows_of_tail.back());
    } else {
      rows_of_tail.emplace_back(shape_.cutoffs.size());
      targets = head_targets(block.targets, rows_of_tail.back());
    }
    add_tiles(tiles, {block.hidden, gradients ? block.d_hidden : at::Tensor(), targets, block.scale, losses.narrow(0, first, rows)},
              most_tile_rows(0));
    first += rows;
  }
  {
    const TimeSpan timed("softmax");
    run_tiles(weights, span(0), tiles, gradients, accumulate);
  }
  for (std::int64_t tail = 0; tail < tails(); ++tail) run_tail(tail, weights, blocks, losses, rows_of_tail, gradients, accumulate);
  return losses;
}

void TiedSoftmax::run_tail(std::int64_t tail, const Parameters& weights, const std::vector<LossRows>& blocks, const at::Tensor& losses,
                           const std::vector<std::vector<std::vector<std::int64_t>>>& rows_of_tail, Parameters* gradients,
                           Accumulate accumulate) {
  const TimeSpan timed("softmax of a cluster", {.item = tail});
  const Span columns = span(tail + 1);
  // rows of all blocks, gathered: of which block, which of its rows, from where on in the gathered ones and in the losses
  struct Members {
    const LossRows* block;
    at::Tensor rows;  // each row once, so that sums over them have one order
    std::int64_t first, first_loss;
  };
  std::vector<Members> members;
  std::vector<std::int64_t> targets;
  std::int64_t total = 0, first_loss = 0;
  for (std::size_t n = 0; n < blocks.size(); ++n) {
    const std::vector<std::int64_t>& rows = rows_of_tail[n][static_cast<std::size_t>(tail)];
    if (!rows.empty()) members.push_back({&blocks[n], on_device(at::tensor(rows, at::kLong), options_.device()), total, first_loss});
    const std::int64_t* const words = blocks[n].targets.const_data_ptr<std::int64_t>();
    for (const std::int64_t row : rows) targets.push_back(columns.words.contains(words[row]) ? words[row] - columns.words.begin : -1);
    total += static_cast<std::int64_t>(rows.size());
    first_loss += blocks[n].hidden.size(0);
  }
  std::vector<Tile> tiles;
  at::Tensor d_hidden, tail_loss;
  if (total > 0) {
    const at::Tensor hidden = rows_of(gathered_, total, shape_.outputs), scale = gradients ? at::empty({total}, options_) : at::Tensor();
    if (gradients) d_hidden = rows_of(d_gathered_, total, shape_.outputs);
    for (const Members& m : members) {
      at::Tensor part = hidden.narrow(0, m.first, m.rows.size(0));
      at::index_select_out(part, m.block->hidden, 0, m.rows);
      if (!gradients) continue;
      at::Tensor scales = scale.narrow(0, m.first, m.rows.size(0));
      at::index_select_out(scales, m.block->scale, 0, m.rows);
    }
    tail_loss = at::empty({total}, options_.dtype(at::kDouble));
    add_tiles(tiles, {hidden, d_hidden, on_device(at::tensor(targets, at::kLong), options_.device()), scale, tail_loss}, most_tile_rows(tail + 1));
  }
  run_tiles(weights, columns, tiles, gradients, accumulate);
  for (const Members& m : members) {
    const std::int64_t count = m.rows.size(0);
    if (gradients) {
      at::Tensor target = m.block->d_hidden;
      target.index_add_(0, m.rows, d_hidden.narrow(0, m.first, count));
    }
    losses.narrow(0, m.first_loss, m.block->hidden.size(0)).index_add_(0, m.rows, tail_loss.narrow(0, m.first, count));
  }
}

}  // namespace trellis
