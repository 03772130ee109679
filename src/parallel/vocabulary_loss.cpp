#include "parallel/vocabulary_loss.h"

#include <algorithm>

#include "base/time_span.h"
#include "model/launch.h"
#include "plan/loss_memory.h"

namespace trellis {
namespace {

constexpr int kRowsTag = 5, kGradientTag = 6;

}  // namespace

struct VocabularyLoss::Rows {
  std::vector<std::int64_t> targets, latent_rows;
  std::vector<double> scales;
};

VocabularyLoss::VocabularyLoss(const MeshGroups& groups, const TrellisShape& shape, const VocabularyShare& share, std::int64_t all_lanes,
                               Range given_lanes, std::int64_t max_steps, at::TensorOptions options)
    : groups_(groups), shape_(shape), all_lanes_(all_lanes), given_lanes_(given_lanes), options_(options) {
  const Mesh& mesh = groups.mesh;
  const LossShares shares(mesh, output_holders(shape, mesh.pipeline), max_steps, all_lanes);
  const std::int64_t own = share_of(shares).size(), ranks = mesh.vocabulary;
  std::int64_t layer_rows = own;
  if (!all_rows_here()) {
    share_hidden_ = at::empty({own, shape.outputs}, options);
    share_d_hidden_ = at::empty_like(share_hidden_);
  }
  if (ranks > 1) {
    const std::int64_t row_bytes = shape.outputs * static_cast<std::int64_t>(options.dtype().itemsize());
    segment_rows_ = most_segment_rows(shares.largest_share(mesh.group_of(groups.rank)), mesh.vocabulary,
                                      options.device().is_cuda() ? kGpuLoss : kCpuLoss, row_bytes);
    layer_rows = ranks * segment_rows_;
    for (int slot = 0; slot < 2; ++slot) {
      own_rows_[static_cast<std::size_t>(slot)] = at::empty({segment_rows_, shape.outputs}, options);
      gathered_[static_cast<std::size_t>(slot)] = at::empty({layer_rows, shape.outputs}, options);
    }
    d_gathered_ = at::empty({layer_rows, shape.outputs}, options);
    own_d_rows_ = at::empty({segment_rows_, shape.outputs}, options);
  }
  layer_ = make_output_layer(shape, layer_rows, share, options);
}

// Every output's rows as they lie in the levels' memory.
at::Tensor VocabularyLoss::run_here(const Parameters& weights, PipelineStage& stage, const WindowTokens& window,
                                    const std::vector<double>& scale, const std::vector<at::Tensor>& latents,
                                    Parameters& gradients, Accumulate accumulate) {
  const Range own = groups_.mesh.lanes_of_replica(all_lanes_, groups_.rank);
  const std::int64_t lanes = own.size(), skipped = window.discard * lanes, rows = window.steps * lanes - skipped;
  const at::Tensor targets = lanes_of(window.targets, window.steps, given_lanes_, own).narrow(0, skipped, rows);
  std::vector<LossRows> blocks;  // of the same targets
  for (std::int64_t n = 0; n < shape_.output_count(); ++n) {
    LossRows block{.hidden = stage.output(n).narrow(0, skipped, rows), .d_hidden = stage.d_output(n).narrow(0, skipped, rows), .targets = targets,
                   .scale = at::full({rows}, scale[static_cast<std::size_t>(n)], options_), .latent_mask = DropoutMasks::of(latents, n)};
    if (block.latent_mask.defined()) {
      block.latent_rows = at::arange(rows, options_.dtype(at::kLong)).remainder_(lanes).add_(own.begin - given_lanes_.begin);
    }
    blocks.push_back(std::move(block));
  }
  const at::Tensor losses = layer_->run(weights, blocks, &gradients, accumulate);
  return at::stack({sum_in_order(losses.narrow(0, 0, rows)), sum_in_order(losses.narrow(0, rows, losses.numel() - rows))});
}

void VocabularyLoss::deal(const LossShares& shares, const std::vector<at::Tensor>& outputs, const at::Tensor& share, std::int64_t skipped_rows,
                          Deal direction) {
  const TimeSpan timed("loss rows between stages");
  const int self = groups_.replica.rank(), tag = direction == Deal::out ? kRowsTag : kGradientTag;
  std::vector<Pending> pending;
  for (const RowTransfer& move : shares.transfers(groups_.mesh.replica_of(groups_.rank))) {
    const at::Tensor held =
        move.from == self ? outputs[static_cast<std::size_t>(move.output)].narrow(0, skipped_rows + move.rows.begin, move.rows.size()) : at::Tensor();
    const at::Tensor shared = move.to == self ? share.narrow(0, move.place, move.rows.size()) : at::Tensor();
    const bool out = direction == Deal::out;
    const at::Tensor &from = out ? held : shared, &to = out ? shared : held;
    if (to.defined() && from.defined()) {
      to.copy_(from);
    } else if (to.defined()) {
      pending.push_back(groups_.replica.start_receive(to, out ? move.from : move.to, tag));
    } else if (from.defined()) {
      pending.push_back(groups_.replica.start_send(from, out ? move.to : move.from, tag));
    }
  }
  for (Pending& one : pending) one.wait();
}

void VocabularyLoss::append_rows(Rows& to, const LossShares& shares, int rank, Range rows, std::int64_t padding, const WindowTokens& window,
                                 const std::vector<double>& scale) const {
  const int replica = groups_.mesh.replica_of(rank);
  const std::int64_t per_output = shares.rows_per_output(replica), first = shares.share(rank).begin;
  const Range lanes = groups_.mesh.lanes_of_replica(all_lanes_, replica);
  const std::int64_t* const targets = window.targets.const_data_ptr<std::int64_t>();
  for (std::int64_t row = first + rows.begin; row < first + rows.end; ++row) {
    const std::int64_t output = row / per_output, of_output = row % per_output;
    const std::int64_t step = window.discard + of_output / lanes.size(), lane = lanes.begin - given_lanes_.begin + of_output % lanes.size();
    to.targets.push_back(targets[step * given_lanes_.size() + lane]);
    to.scales.push_back(scale[static_cast<std::size_t>(output)]);
    to.latent_rows.push_back(output * given_lanes_.size() + lane);
  }
  to.targets.insert(to.targets.end(), static_cast<std::size_t>(padding), 0);
  to.scales.insert(to.scales.end(), static_cast<std::size_t>(padding), 0.0);
  to.latent_rows.insert(to.latent_rows.end(), static_cast<std::size_t>(padding), 0);
}

LossRows VocabularyLoss::loss_rows(const Rows& rows, const at::Tensor& hidden, const at::Tensor& d_hidden, const at::Tensor& latent_table) const {
  LossRows result{.hidden = hidden, .d_hidden = d_hidden, .targets = at::tensor(rows.targets, at::kLong),
                  .scale = on_device(at::tensor(rows.scales, at::kDouble).to(options_.dtype()), options_.device()), .latent_mask = latent_table};
  if (latent_table.defined()) result.latent_rows = on_device(at::tensor(rows.latent_rows, at::kLong), options_.device());
  return result;
}

at::Tensor VocabularyLoss::sums_of(const LossShares& shares, Range rows, const at::Tensor& losses) const {
  const std::int64_t per_output = shares.rows_per_output(groups_.mesh.replica_of(groups_.rank)), first = share_of(shares).begin + rows.begin;
  const std::int64_t of_final = std::clamp<std::int64_t>(per_output - first, 0, rows.size());  // whose rows come first
  return at::stack({sum_in_order(losses.narrow(0, 0, of_final)), sum_in_order(losses.narrow(0, of_final, rows.size() - of_final))});
}

Pending VocabularyLoss::start_gather(const LossShares& shares, std::int64_t segment, std::int64_t segment_rows) {
  const auto slot = static_cast<std::size_t>(segment % 2);
  const Range rows = shares.segment_rows(groups_.rank, segment, segment_rows);
  const at::Tensor own = own_rows_[slot].narrow(0, 0, segment_rows);
  own.narrow(0, 0, rows.size()).copy_(share_hidden_.narrow(0, rows.begin, rows.size()));
  own.narrow(0, rows.size(), segment_rows - rows.size()).zero_();
  return groups_.vocabulary.start_all_gather(gathered_[slot].narrow(0, 0, groups_.mesh.vocabulary * segment_rows), own);
}

at::Tensor VocabularyLoss::run(const Parameters& weights, PipelineStage& stage, const WindowTokens& window, const std::vector<double>& scale,
                               const std::vector<at::Tensor>& latents, Parameters& gradients, Accumulate accumulate) {
  const TimeSpan timed("loss");
  const Mesh& mesh = groups_.mesh;
  const std::int64_t skipped = window.discard * mesh.lanes_of_replica(all_lanes_, mesh.replica_of(groups_.rank)).size();
  for (std::int64_t n = 0; n < shape_.output_count() && skipped > 0; ++n) {
    if (stage.has_output(n)) stage.d_output(n).narrow(0, 0, skipped).zero_();
  }
  if (all_rows_here()) return run_here(weights, stage, window, scale, latents, gradients, accumulate);

  const LossShares shares(mesh, output_holders(shape_, mesh.pipeline), window.steps - window.discard, all_lanes_);
  const at::Tensor latent_table = latents.empty() || !latents[0].defined() ? at::Tensor() : at::cat(latents);
  std::vector<at::Tensor> outputs, d_outputs;  // by number; undefined where another stage has them
  for (std::int64_t n = 0; n < shape_.output_count(); ++n) {
    outputs.push_back(stage.has_output(n) ? stage.output(n) : at::Tensor());
    d_outputs.push_back(stage.has_output(n) ? stage.d_output(n) : at::Tensor());
  }
  deal(shares, outputs, share_hidden_, skipped, Deal::out);
  at::Tensor sums;
  if (mesh.vocabulary == 1) {
    const Range all{0, share_of(shares).size()};
    Rows rows;
    append_rows(rows, shares, groups_.rank, all, 0, window, scale);
    const LossRows block = loss_rows(rows, share_hidden_.narrow(0, 0, all.size()), share_d_hidden_.narrow(0, 0, all.size()), latent_table);
    sums = sums_of(shares, all, layer_->run(weights, {block}, &gradients, accumulate));
  } else {
    const int group = mesh.group_of(groups_.rank), place = mesh.place_of(groups_.rank);
    const auto [segments, rows_each] = segments_of(shares.largest_share(group), segment_rows_);
    Pending next = segments > 0 ? start_gather(shares, 0, rows_each) : Pending();
    sums = at::zeros({2}, options_.dtype(at::kDouble));
    if (segments == 0) layer_->run(weights, {}, &gradients, accumulate);
    for (std::int64_t segment = 0; segment < segments; ++segment) {
      next.wait();
      if (segment + 1 < segments) next = start_gather(shares, segment + 1, rows_each);
      Rows rows;
      const Range ranks = mesh.ranks_of_group(group);
      for (std::int64_t rank = ranks.begin; rank < ranks.end; ++rank) {
        const Range of_rank = shares.segment_rows(static_cast<int>(rank), segment, rows_each);
        append_rows(rows, shares, static_cast<int>(rank), of_rank, rows_each - of_rank.size(), window, scale);
      }
      const std::int64_t all = mesh.vocabulary * rows_each;
      const at::Tensor hidden = gathered_[static_cast<std::size_t>(segment % 2)].narrow(0, 0, all), d_hidden = d_gathered_.narrow(0, 0, all);
      const at::Tensor losses = layer_->run(weights, {loss_rows(rows, hidden, d_hidden, latent_table)}, &gradients,
                                            segment == 0 ? accumulate : Accumulate::add);
      const at::Tensor own = own_d_rows_.narrow(0, 0, rows_each);
      groups_.vocabulary.reduce_scatter(own, d_hidden, Reduction::sum);
      const Range of_share = shares.segment_rows(groups_.rank, segment, rows_each);
      share_d_hidden_.narrow(0, of_share.begin, of_share.size()).copy_(own.narrow(0, 0, of_share.size()));
      sums.add_(sums_of(shares, of_share, losses.narrow(0, place * rows_each, rows_each)));
    }
  }
  deal(shares, d_outputs, share_d_hidden_, skipped, Deal::back);
  return sums;
}

}  // namespace trellis
