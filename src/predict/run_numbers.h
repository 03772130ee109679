// The numbers of a training run that its memory, traffic and time follow from: plain values, made from the settings and the
// corpus (trainer/run_numbers_from.h), so that predictions need neither LibTorch nor a corpus.
#pragma once

#include <cstdint>
#include <vector>

#include "plan/level_memory.h"
#include "plan/loss_memory.h"
#include "plan/trellis_shape.h"

namespace trellis {

struct RunNumbers {
  TrellisShape shape;
  std::int64_t lanes = 1, steps = 1;  // of the whole batch, of a window
  std::int64_t discard = 0;           // leading steps without loss
  std::int64_t lane_groups = 1;
  std::int64_t accumulate = 1;        // windows of an optimizer step
  Keep keep = Keep::gates;
  ElementBytes element;
  std::int64_t optimizer_copies = 2;  // tensors of the weights' size that the update keeps: Adam's and LAMB's two means, SGD's average
  std::int64_t windows_ahead = 4;     // read ahead
  bool slowness = false;              // the penalty needs the raw output's gradient
  bool gpu = false;                   // larger tiles of the loss
  // Share of the tokens whose word lies in each cluster, the head first; empty: as in Zipf's law.
  std::vector<double> cluster_shares;

  std::int64_t tokens() const { return lanes * steps * accumulate; }  // of an optimizer step
  std::int64_t scored_steps() const { return steps - discard; }
  const LossLimits& loss_limits() const { return gpu ? kGpuLoss : kCpuLoss; }
};

// Shares of the clusters where the word at rank r (from 1) has a frequency in proportion to 1 / (r + 1.7): Zipf's law with
// Mandelbrot's shift for English text.
std::vector<double> zipf_shares(std::int64_t vocabulary, const std::vector<std::int64_t>& cutoffs);
// The same of a corpus: counts of its words, by id.
std::vector<double> shares_of_counts(const std::vector<std::uint64_t>& counts, const std::vector<std::int64_t>& cutoffs);
// run.cluster_shares, or those of Zipf's law.
std::vector<double> cluster_shares_of(const RunNumbers& run);

}  // namespace trellis
