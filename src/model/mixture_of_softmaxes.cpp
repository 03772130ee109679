#include "model/mixture_of_softmaxes.h"

#include <algorithm>

#include "base/time_span.h"
#include "model/launch.h"
#include "model/tensor_functions.h"
#include "plan/loss_memory.h"

namespace trellis {
namespace {

const char* const kParameters[] = {"embedding", "decoder_bias", "prior_weight", "prior_bias", "latent_weight", "latent_bias"};

}  // namespace

// Consecutive rows of one block.
struct MixtureOfSoftmaxes::Tile {
  at::Tensor hidden, d_hidden;  // [rows, O]; d_hidden undefined for no gradient
  at::Tensor mask, mask_rows;   // [any, K E] and [rows] int64, or undefined
  at::Tensor targets;           // [rows] int64: this rank's words, or -1
  at::Tensor scale;             // [rows]
  at::Tensor loss;              // [rows], overwritten
};

MixtureOfSoftmaxes::MixtureOfSoftmaxes(const TrellisShape& shape, std::int64_t rows, const VocabularyShare& share, at::TensorOptions options)
    : outputs_(shape.outputs),
      experts_(shape.experts),
      embedding_(shape.embedding),
      vocabulary_(shape.vocabulary),
      tile_rows_(1),
      share_(share),
      words_(share.stripes.stripe(0, share.place)),
      options_(options) {
  // by the rank that has most words: tiles are the same on all
  const std::int64_t most_words = share.stripes.most_rows();
  tile_rows_ = mixture_tile_rows(experts_, most_words, rows, options.device().is_cuda() ? kGpuLoss : kCpuLoss,
                                 static_cast<std::int64_t>(options.dtype().itemsize()));
  for (int slot = 0; slot < (share.group ? 2 : 1); ++slot) {
    slots_.push_back({.logits_memory = at::empty({tile_rows_ * experts_, words_.size()}, options),
                      .latent_memory = at::empty({tile_rows_, experts_ * embedding_}, options),
                      .entropy = StripedCrossEntropy(share.group, tile_rows_ * experts_, options),
                      .logits = {}, .latent = {}, .mask = {}, .log_prior = {}});
  }
  d_latent_ = at::empty({tile_rows_, experts_ * embedding_}, options);
}

at::Tensor MixtureOfSoftmaxes::experts(const Parameters& weights, const at::Tensor& hidden, const at::Tensor& mask, at::Tensor latent) const {
  at::addmm_out(latent, weights.view("latent_bias"), hidden, weights.view("latent_weight").t());
  if (mask.defined()) latent.mul_(mask);
  hyperbolic_tangent_(latent);
  const at::Tensor prior = at::addmm(weights.view("prior_bias"), hidden, weights.view("prior_weight").t());
  return log_softmax(prior.to(at::kDouble));
}

void MixtureOfSoftmaxes::begin_tile(const Parameters& weights, const Tile& tile, Slot& slot, bool with_gradient) {
  const std::int64_t rows = tile.hidden.size(0), K = experts_;
  slot.latent = slot.latent_memory.narrow(0, 0, rows);
  slot.mask = tile.mask.defined() ? tile.mask.index_select(0, tile.mask_rows) : at::Tensor();
  slot.log_prior = experts(weights, tile.hidden, slot.mask, slot.latent);
  slot.logits = slot.logits_memory.narrow(0, 0, rows * K);
  if (!words_.empty()) {
    at::addmm_out(slot.logits, weights.view("decoder_bias"), slot.latent.view({rows * K, embedding_}), weights.view("embedding").t());
  }
  slot.entropy.begin(slot.logits, tile.targets.repeat_interleave(K), with_gradient);
}

void MixtureOfSoftmaxes::end_tile(const Parameters& weights, const Tile& tile, Slot& slot, Parameters* gradients) {
  const std::int64_t rows = tile.hidden.size(0), K = experts_;
  const at::Tensor expert_loss = at::empty({rows, K}, options_.dtype(at::kDouble));
  slot.entropy.end(expert_loss.view(-1), gradients ? at::ones({rows * K}, options_) : at::Tensor());

  const at::Tensor joint = slot.log_prior - expert_loss;  // log pi_k p_k(target)
  const at::Tensor log_p = log_sum_exp(joint, 1);
  tile.loss.unsqueeze(1).copy_(-log_p);
  if (!gradients) return;

  const at::Tensor latent = slot.latent.view({rows * K, embedding_});  // a row an expert
  const at::Tensor posterior = exponential_(joint - log_p), scale = tile.scale.unsqueeze(1);
  const at::Tensor share = (scale * posterior).to(options_.dtype()).view({rows * K, 1});
  at::Tensor d_latent = d_latent_.narrow(0, 0, rows).view({rows * K, embedding_});
  if (words_.empty()) {
    d_latent.zero_();
  } else {
    multiply(d_latent, slot.logits, weights.view("embedding"), Accumulate::overwrite);
    d_latent.mul_(share);
    multiply(gradients->view("embedding"), slot.logits.t(), latent * share, Accumulate::add);
    gradients->view("decoder_bias").addmv_(slot.logits.t(), share.view(-1));
  }

  at::Tensor d_pre = d_latent_.narrow(0, 0, rows);  // gradient of what went into the mask
  d_pre.mul_(1 - slot.latent.square());
  if (slot.mask.defined()) d_pre.mul_(slot.mask);
  multiply(tile.d_hidden, d_pre, weights.view("latent_weight"), Accumulate::overwrite);
  multiply(gradients->view("latent_weight"), d_pre.t(), tile.hidden, Accumulate::add);
  add_column_sums(gradients->view("latent_bias"), d_pre);
  if (share_.place > 0) return;
  const at::Tensor d_prior = (scale * (exponential_(slot.log_prior.clone()) - posterior)).to(options_.dtype());
  multiply(tile.d_hidden, d_prior, weights.view("prior_weight"), Accumulate::add);
  multiply(gradients->view("prior_weight"), d_prior.t(), tile.hidden, Accumulate::add);
  add_column_sums(gradients->view("prior_bias"), d_prior);
}

at::Tensor MixtureOfSoftmaxes::run(const Parameters& weights, const std::vector<LossRows>& blocks, Parameters* gradients, Accumulate accumulate) {
  const TimeSpan timed("mixture");
  const std::int64_t all_rows = expect_loss_rows(blocks, outputs_, vocabulary_, gradients != nullptr);
  const at::Tensor losses = at::zeros({all_rows}, options_.dtype(at::kDouble));
  if (gradients && accumulate == Accumulate::overwrite) {
    for (const char* const name : kParameters) gradients->view(name).zero_();
  }
  std::vector<Tile> tiles;
  std::int64_t first_loss = 0;
  for (const LossRows& block : blocks) {
    const std::int64_t rows = block.hidden.size(0);
    const at::Tensor here = block.targets.ge(words_.begin).logical_and_(block.targets.lt(words_.end));
    const at::Tensor columns = on_device((block.targets - words_.begin).masked_fill_(here.logical_not(), -1), options_.device());
    for (std::int64_t row = 0; row < rows; row += tile_rows_) {
      const std::int64_t count = std::min(tile_rows_, rows - row);
      const auto part = [&](const at::Tensor& t) { return t.narrow(0, row, count); };
      tiles.push_back({.hidden = part(block.hidden),
                       .d_hidden = gradients ? part(block.d_hidden) : at::Tensor(),
                       .mask = block.latent_mask,
                       .mask_rows = block.latent_mask.defined() ? part(block.latent_rows) : at::Tensor(),
                       .targets = part(columns),
                       .scale = gradients ? part(block.scale) : at::Tensor(),
                       .loss = losses.narrow(0, first_loss + row, count)});
    }
    first_loss += rows;
  }
  const std::size_t ahead = slots_.size() - 1;
  for (std::size_t n = 0; n < tiles.size() + ahead; ++n) {
    if (n < tiles.size()) begin_tile(weights, tiles[n], slots_[n % slots_.size()], gradients != nullptr);
    if (n >= ahead) end_tile(weights, tiles[n - ahead], slots_[(n - ahead) % slots_.size()], gradients);
  }
  return losses;
}

at::Tensor MixtureOfSoftmaxes::log_probabilities(const Parameters& weights, const at::Tensor& hidden) {
  require(share_.stripes.ranks() == 1, "probabilities of all words need all words");
  const std::int64_t rows = hidden.size(0);
  at::Tensor result = at::empty({rows, vocabulary_}, options_);
  for (std::int64_t row = 0; row < rows; row += tile_rows_) {
    const std::int64_t count = std::min(tile_rows_, rows - row);
    const at::Tensor latent = slots_.front().latent_memory.narrow(0, 0, count);
    const at::Tensor log_prior = experts(weights, hidden.narrow(0, row, count), {}, latent);
    const at::Tensor logits = at::addmm(weights.view("decoder_bias"), latent.view({count * experts_, embedding_}), weights.view("embedding").t());
    const at::Tensor each = log_softmax(logits).view({count, experts_, vocabulary_});
    result.narrow(0, row, count).copy_(log_sum_exp(each + log_prior.to(options_.dtype()).unsqueeze(2), 1).squeeze(1));
  }
  return result;
}

}  // namespace trellis
