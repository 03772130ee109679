#include "model/tied_softmax.h"

#include <algorithm>

#include "model/launch.h"

namespace trellis {
namespace {

// Memory for the logits of one tile. Larger tiles mean fewer passes over the embedding's gradient.
constexpr std::int64_t kTileBytes = std::int64_t{6} << 20;

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
  double* loss;                 // [rows], overwritten
  bool first;                   // the first tile of its span overwrites the span's gradients
};

TiedSoftmax::TiedSoftmax(const TrellisShape& shape, std::int64_t rows, std::int64_t blocks, at::TensorOptions options)
    : shape_(shape), options_(options) {
  const std::int64_t head = shape.cutoffs.empty() ? shape.vocabulary : shape.cutoffs.front() + static_cast<std::int64_t>(shape.cutoffs.size());
  std::int64_t logits = tile_rows(rows, head) * head;
  for (std::size_t n = 0; n < shape.cutoffs.size(); ++n) {
    const std::int64_t next = n + 1 < shape.cutoffs.size() ? shape.cutoffs[n + 1] : shape.vocabulary, words = next - shape.cutoffs[n];
    logits = std::max(logits, std::min(rows * blocks, most_tile_rows(words)) * words);
  }
  logits_ = at::empty({logits}, options);
  if (shape.cutoffs.empty()) return;
  gathered_ = at::empty({rows * blocks * shape.outputs}, options);
  d_gathered_ = at::empty_like(gathered_);
}

std::int64_t TiedSoftmax::most_tile_rows(std::int64_t classes) const {
  return std::max<std::int64_t>(16, kTileBytes / (classes * static_cast<std::int64_t>(options_.dtype().itemsize())));
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

void TiedSoftmax::run_tile(const Parameters& weights, const Span& span, const Tile& tile, Parameters* gradients) {
  const std::int64_t rows = tile.hidden.size(0), words = span.words.size(), classes = words + span.entries;
  const at::Tensor logits = rows_of(logits_, rows, classes);

  // The parts of a tile's columns: words, then the clusters' entries, each with its own matrix.
  struct Part {
    at::Tensor logits;
    const char *weight, *bias;
    Range range;
  };
  std::vector<Part> parts{{logits.narrow(1, 0, words), "embedding", "decoder_bias", span.words}};
  if (span.entries > 0) parts.push_back({logits.narrow(1, words, span.entries), "cluster_weight", "cluster_bias", {0, span.entries}});

  for (Part& part : parts) {
    at::addmm_out(part.logits, weights.view(part.bias).narrow(0, part.range.begin, part.range.size()), tile.hidden,
                  weights.view(part.weight).narrow(0, part.range.begin, part.range.size()).t());
  }
  with_element_type(logits.scalar_type(), [&]<class T>() {
    const CrossEntropy<T> args{.classes = classes,
                               .stride = classes,
                               .logits = logits.mutable_data_ptr<T>(),
                               .targets = tile.targets.const_data_ptr<std::int64_t>(),
                               .loss = tile.loss,
                               .scale = gradients ? tile.scale.const_data_ptr<T>() : nullptr};
    launch(kernels_for<T>(logits.device()).cross_entropy, args, {0, rows}, grain_for(4 * classes));
  });
  if (!gradients) return;
  Accumulate to_hidden = Accumulate::overwrite;
  const Accumulate to_weights = tile.first ? Accumulate::overwrite : Accumulate::add;
  for (Part& part : parts) {
    const auto range = [&](const at::Tensor& tensor) { return tensor.narrow(0, part.range.begin, part.range.size()); };
    multiply(tile.d_hidden, part.logits, range(weights.view(part.weight)), to_hidden);
    multiply(range(gradients->view(part.weight)), part.logits.t(), tile.hidden, to_weights);
    const at::Tensor d_bias = range(gradients->view(part.bias));
    if (tile.first) d_bias.zero_();
    add_column_sums(d_bias, part.logits);
    to_hidden = Accumulate::add;
  }
}

at::Tensor TiedSoftmax::run(const Parameters& weights, const std::vector<LossRows>& blocks, const at::Tensor& targets,
                            Parameters* gradients) {
  const std::int64_t rows = targets.size(0), block_count = static_cast<std::int64_t>(blocks.size());
  at::Tensor losses = at::zeros({block_count, rows}, at::kDouble);
  double* const loss = losses.mutable_data_ptr<double>();

  std::vector<std::int64_t> bounds{0};
  bounds.insert(bounds.end(), shape_.cutoffs.begin(), shape_.cutoffs.end());
  bounds.push_back(shape_.vocabulary);
  const Span head{{0, bounds[1]}, static_cast<std::int64_t>(shape_.cutoffs.size())};

  // The head sees every row; a word of a tail cluster stands there as its cluster's entry.
  const std::int64_t* const words = targets.const_data_ptr<std::int64_t>();
  at::Tensor head_targets = at::empty({rows}, at::kLong);
  std::vector<std::vector<std::int64_t>> rows_of_cluster(shape_.cutoffs.size());
  for (std::int64_t row = 0; row < rows; ++row) {
    const std::int64_t word = words[row];
    require(0 <= word && word < shape_.vocabulary, "targets lie within the vocabulary");
    const auto cluster = std::upper_bound(shape_.cutoffs.begin(), shape_.cutoffs.end(), word) - shape_.cutoffs.begin();
    head_targets.mutable_data_ptr<std::int64_t>()[row] = cluster == 0 ? word : bounds[1] + cluster - 1;
    if (cluster > 0) rows_of_cluster[static_cast<std::size_t>(cluster - 1)].push_back(row);
  }
  if (gradients && rows == 0) clear_span(head, *gradients);

  const std::int64_t head_tile = tile_rows(rows, head.words.size() + head.entries);
  bool first = true;
  for (std::int64_t n = 0; n < block_count; ++n) {
    const LossRows& block = blocks[static_cast<std::size_t>(n)];
    for (std::int64_t row = 0; row < rows; row += head_tile) {
      const std::int64_t count = std::min(head_tile, rows - row);
      run_tile(weights, head,
               {.hidden = block.hidden.narrow(0, row, count),
                .d_hidden = gradients ? block.d_hidden.narrow(0, row, count) : at::Tensor(),
                .targets = head_targets.narrow(0, row, count),
                .scale = at::full({count}, block.scale, options_),
                .loss = loss + n * rows + row,
                .first = first},
               gradients);
      first = false;
    }
  }

  // A tail cluster sees the rows whose word lies in it, of all blocks at once.
  for (std::size_t cluster = 0; cluster < shape_.cutoffs.size(); ++cluster) {
    const Span span{{bounds[cluster + 1], bounds[cluster + 2]}, 0};
    const std::vector<std::int64_t>& members = rows_of_cluster[cluster];
    const std::int64_t member_count = static_cast<std::int64_t>(members.size()), total = member_count * block_count;
    if (total == 0) {
      if (gradients) clear_span(span, *gradients);
      continue;
    }
    const at::Tensor index = at::tensor(members, at::kLong);
    const at::Tensor local = (targets.index_select(0, index) - span.words.begin).repeat({block_count});
    const at::Tensor hidden = rows_of(gathered_, total, shape_.outputs);
    const at::Tensor d_hidden = gradients ? rows_of(d_gathered_, total, shape_.outputs) : at::Tensor();
    const at::Tensor scale = at::empty({total}, options_);
    for (std::int64_t n = 0; n < block_count; ++n) {
      at::Tensor part = hidden.narrow(0, n * member_count, member_count);
      at::index_select_out(part, blocks[static_cast<std::size_t>(n)].hidden, 0, index);
      scale.narrow(0, n * member_count, member_count).fill_(blocks[static_cast<std::size_t>(n)].scale);
    }
    std::vector<double> tail_loss(static_cast<std::size_t>(total));
    const std::int64_t tile = tile_rows(total, span.words.size());
    for (std::int64_t row = 0; row < total; row += tile) {
      const std::int64_t count = std::min(tile, total - row);
      run_tile(weights, span,
               {.hidden = hidden.narrow(0, row, count),
                .d_hidden = gradients ? d_hidden.narrow(0, row, count) : at::Tensor(),
                .targets = local.narrow(0, row, count),
                .scale = scale.narrow(0, row, count),
                .loss = tail_loss.data() + row,
                .first = row == 0},
               gradients);
    }
    for (std::int64_t n = 0; n < block_count; ++n) {
      if (gradients) {
        at::Tensor target = blocks[static_cast<std::size_t>(n)].d_hidden;
        target.index_add_(0, index, d_hidden.narrow(0, n * member_count, member_count));
      }
      for (std::int64_t m = 0; m < member_count; ++m) {
        loss[n * rows + members[static_cast<std::size_t>(m)]] += tail_loss[static_cast<std::size_t>(n * member_count + m)];
      }
    }
  }
  return losses;
}

}  // namespace trellis
