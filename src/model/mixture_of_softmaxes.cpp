#include "model/mixture_of_softmaxes.h"

#include <algorithm>

#include "base/time_span.h"
#include "model/launch.h"

namespace trellis {
namespace {

// Memory for the logits of one tile. Fewer, larger tiles pass over the embedding and its gradient less often.
// A CPU has less of them to spare than a GPU, which wants large products.
constexpr std::int64_t kTileBytes = std::int64_t{16} << 20, kGpuTileBytes = std::int64_t{512} << 20;

const char* const kParameters[] = {"embedding", "decoder_bias", "prior_weight", "prior_bias", "latent_weight", "latent_bias"};

}  // namespace

// Consecutive rows of one block.
struct MixtureOfSoftmaxes::Tile {
  at::Tensor hidden, d_hidden;  // [rows, O]; d_hidden undefined for no gradient
  at::Tensor mask;              // [rows, K E] or undefined
  at::Tensor targets;           // [rows] int64
  double scale;
  at::Tensor loss;              // [rows], overwritten
};

MixtureOfSoftmaxes::MixtureOfSoftmaxes(const TrellisShape& shape, std::int64_t rows, at::TensorOptions options)
    : experts_(shape.experts), embedding_(shape.embedding), vocabulary_(shape.vocabulary), tile_rows_(1), options_(options) {
  const std::int64_t row_bytes = experts_ * vocabulary_ * static_cast<std::int64_t>(options.dtype().itemsize());
  tile_rows_ = std::clamp<std::int64_t>((options.device().is_cuda() ? kGpuTileBytes : kTileBytes) / row_bytes, 1, std::max<std::int64_t>(1, rows));
  logits_ = at::empty({tile_rows_ * experts_, vocabulary_}, options);
  latent_ = at::empty({tile_rows_, experts_ * embedding_}, options);
  d_latent_ = at::empty_like(latent_);
}

at::Tensor MixtureOfSoftmaxes::mask_rows(const at::Tensor& mask, std::int64_t first_row, std::int64_t rows) const {
  if (!mask.defined()) return {};
  const at::Tensor lanes = at::arange(first_row, first_row + rows, mask.options().dtype(at::kLong)).remainder(mask.size(0));
  return mask.index_select(0, lanes);
}

MixtureOfSoftmaxes::Experts MixtureOfSoftmaxes::experts(const Parameters& weights, const at::Tensor& hidden, const at::Tensor& mask) {
  at::Tensor latent = latent_.narrow(0, 0, hidden.size(0));
  at::addmm_out(latent, weights.view("latent_bias"), hidden, weights.view("latent_weight").t());
  if (mask.defined()) latent.mul_(mask);
  latent.tanh_();
  const at::Tensor prior = at::addmm(weights.view("prior_bias"), hidden, weights.view("prior_weight").t());
  return {latent, at::log_softmax(prior, 1, at::kDouble)};
}

void MixtureOfSoftmaxes::run_tile(const Parameters& weights, const Tile& tile, Parameters* gradients) {
  const std::int64_t rows = tile.hidden.size(0), K = experts_;
  const Experts mixed = experts(weights, tile.hidden, tile.mask);
  const at::Tensor latent = mixed.latent.view({rows * K, embedding_});  // a row an expert
  at::Tensor logits = logits_.narrow(0, 0, rows * K);
  at::addmm_out(logits, weights.view("decoder_bias"), latent, weights.view("embedding").t());
  const at::Tensor targets = tile.targets.repeat_interleave(K);
  const at::Tensor expert_loss = at::empty({rows, K}, options_.dtype(at::kDouble));
  cross_entropy(logits, targets, expert_loss.view(-1), gradients ? at::ones({rows * K}, options_) : at::Tensor());

  const at::Tensor joint = mixed.log_prior - expert_loss;  // log pi_k p_k(target)
  const at::Tensor log_p = at::logsumexp(joint, 1, true);
  tile.loss.unsqueeze(1).copy_(-log_p);
  if (!gradients) return;

  const at::Tensor posterior = (joint - log_p).exp();
  const at::Tensor share = (tile.scale * posterior).to(options_.dtype()).view({rows * K, 1});
  const at::Tensor d_prior = (tile.scale * (mixed.log_prior.exp() - posterior)).to(options_.dtype());
  at::Tensor d_latent = d_latent_.narrow(0, 0, rows).view({rows * K, embedding_});
  multiply(d_latent, logits, weights.view("embedding"), Accumulate::overwrite);
  d_latent.mul_(share);
  multiply(gradients->view("embedding"), logits.t(), latent * share, Accumulate::add);
  gradients->view("decoder_bias").addmv_(logits.t(), share.view(-1));

  at::Tensor d_pre = d_latent_.narrow(0, 0, rows);  // gradient of what went into the mask
  d_pre.mul_(1 - mixed.latent.square());
  if (tile.mask.defined()) d_pre.mul_(tile.mask);
  multiply(tile.d_hidden, d_pre, weights.view("latent_weight"), Accumulate::overwrite);
  multiply(tile.d_hidden, d_prior, weights.view("prior_weight"), Accumulate::add);
  multiply(gradients->view("latent_weight"), d_pre.t(), tile.hidden, Accumulate::add);
  multiply(gradients->view("prior_weight"), d_prior.t(), tile.hidden, Accumulate::add);
  add_column_sums(gradients->view("latent_bias"), d_pre);
  add_column_sums(gradients->view("prior_bias"), d_prior);
}

at::Tensor MixtureOfSoftmaxes::run(const Parameters& weights, const std::vector<LossRows>& blocks, const at::Tensor& targets,
                                   Parameters* gradients) {
  const std::int64_t rows = targets.size(0);
  expect_within_vocabulary(targets, vocabulary_);
  at::Tensor losses = at::zeros({static_cast<std::int64_t>(blocks.size()), rows}, options_.dtype(at::kDouble));
  const at::Tensor words = on_device(targets, losses.device());
  if (gradients) {
    for (const char* const name : kParameters) gradients->view(name).zero_();
  }
  for (std::size_t n = 0; n < blocks.size(); ++n) {
    const LossRows& block = blocks[n];
    const TimeSpan timed("mixture", {.item = static_cast<std::int64_t>(n)});
    for (std::int64_t row = 0; row < rows; row += tile_rows_) {
      const std::int64_t count = std::min(tile_rows_, rows - row);
      run_tile(weights,
               {.hidden = block.hidden.narrow(0, row, count),
                .d_hidden = gradients ? block.d_hidden.narrow(0, row, count) : at::Tensor(),
                .mask = mask_rows(block.latent_mask, row, count),
                .targets = words.narrow(0, row, count),
                .scale = block.scale,
                .loss = losses[static_cast<std::int64_t>(n)].narrow(0, row, count)},
               gradients);
    }
  }
  return losses.cpu();
}

at::Tensor MixtureOfSoftmaxes::log_probabilities(const Parameters& weights, const at::Tensor& hidden) {
  const std::int64_t rows = hidden.size(0);
  at::Tensor result = at::empty({rows, vocabulary_}, options_);
  for (std::int64_t row = 0; row < rows; row += tile_rows_) {
    const std::int64_t count = std::min(tile_rows_, rows - row);
    const Experts mixed = experts(weights, hidden.narrow(0, row, count), {});
    const at::Tensor latent = mixed.latent.view({count * experts_, embedding_});
    const at::Tensor logits = at::addmm(weights.view("decoder_bias"), latent, weights.view("embedding").t());
    const at::Tensor each = at::log_softmax(logits, 1).view({count, experts_, vocabulary_});
    result.narrow(0, row, count).copy_(at::logsumexp(each + mixed.log_prior.to(options_.dtype()).unsqueeze(2), 1));
  }
  return result;
}

}  // namespace trellis
