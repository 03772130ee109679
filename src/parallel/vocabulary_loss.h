// The loss of a window on a mesh: rows of all outputs, from whichever stage has them, are dealt evenly to the replica's ranks
// (plan/loss_shares.h); each vocabulary group works on its ranks' shares together, segment by segment: the rows are gathered,
// every rank computes its own words' logits (model/output_layer.h), and the rows' gradient is summed where the rows came from.
// Of a segment nothing remains but its loss. The next segment's rows travel while one is computed.
#pragma once

#include <array>
#include <memory>
#include <vector>

#include "comm/mesh_groups.h"
#include "model/dropout.h"
#include "model/objective.h"
#include "model/output_layer.h"
#include "parallel/pipeline_stage.h"
#include "parallel/window_lanes.h"
#include "plan/loss_shares.h"

namespace trellis {

class VocabularyLoss {
 public:
  // groups must outlive this. given_lanes: of the tokens, targets and latent masks that will come; they hold those of the group.
  VocabularyLoss(const MeshGroups& groups, const TrellisShape& shape, const VocabularyShare& share, std::int64_t all_lanes,
                 Range given_lanes, std::int64_t max_steps, at::TensorOptions options);

  // Collective in the replica and the group. Reads stage.output(n), overwrites the scored steps of stage.d_output(n) and the
  // output layer's gradients, or adds to them; steps that carry no loss get the gradient zero. scale of each output: what its -log p is multiplied
  // with. latents: [given lanes, K E] of each output, or empty.
  // Sums of -log p over this rank's share, [2] float64 where the weights are: of the final output, of the auxiliary ones.
  at::Tensor run(const Parameters& weights, PipelineStage& stage, const WindowTokens& window, const std::vector<double>& scale,
                 const std::vector<at::Tensor>& latents, Parameters& gradients, Accumulate accumulate);

 private:
  struct Rows;  // targets, scales and masks of some rows
  bool all_rows_here() const { return groups_.mesh.pipeline == 1 && groups_.mesh.vocabulary == 1; }
  at::Tensor run_here(const Parameters& weights, PipelineStage& stage, const WindowTokens& window, const std::vector<double>& scale,
                      const std::vector<at::Tensor>& latents, Parameters& gradients, Accumulate accumulate);
  // Rows of outputs (by number) from the stages that hold them to the ranks' shares, or the same of gradients back.
  enum class Deal { out, back };
  void deal(const LossShares& shares, const std::vector<at::Tensor>& outputs, const at::Tensor& share, std::int64_t skipped_rows, Deal direction);
  Range share_of(const LossShares& shares) const { return shares.share(groups_.rank); }
  // Of the rows `rows` of the share of `rank`, after which come `padding` rows that count nothing.
  void append_rows(Rows& to, const LossShares& shares, int rank, Range rows, std::int64_t padding, const WindowTokens& window,
                   const std::vector<double>& scale) const;
  LossRows loss_rows(const Rows& rows, const at::Tensor& hidden, const at::Tensor& d_hidden, const at::Tensor& latent_table) const;
  at::Tensor sums_of(const LossShares& shares, Range rows, const at::Tensor& losses) const;
  Pending start_gather(const LossShares& shares, std::int64_t segment, std::int64_t segment_rows);

  const MeshGroups& groups_;
  TrellisShape shape_;
  std::int64_t all_lanes_;
  Range given_lanes_;
  at::TensorOptions options_;
  std::int64_t segment_rows_ = 0;  // of each rank
  std::unique_ptr<OutputLayer> layer_;
  at::Tensor share_hidden_, share_d_hidden_;                     // [rows of this rank's share, O]
  std::array<at::Tensor, 2> own_rows_, gathered_;                // of a segment, in turns
  at::Tensor d_gathered_, own_d_rows_;
};

}  // namespace trellis
