#include "predict/rates.h"

#include <set>

#include "predict/network_size.h"

namespace trellis {
namespace {

BodyCost body_cost(const RunNumbers& run, const Rates& rates) {
  const TrellisShape& shape = run.shape;
  const double H = static_cast<double>(shape.hidden), A = static_cast<double>(run.element.activations),
               W = static_cast<double>(run.element.weights);
  const double product = level_flops(shape) / rates.flops;
  const bool recomputed = !run.keep.all_gates;
  // gates, forward and backward: what they read and write of a row
  const double elementwise = H * (16 * A + 8 * W) * (recomputed ? 1.4 : 1) / rates.memory_bandwidth;
  std::set<std::int64_t> dilations;
  for (std::int64_t level = 0; level < shape.levels; ++level) {
    if (shape.injected(level)) dilations.insert(shape.dilation_of(level));
  }
  BodyCost cost;
  cost.row_level = (recomputed ? 4 : 2) * product + elementwise;
  cost.window_row_level = recomputed ? 0 : product;
  cost.row = static_cast<double>(dilations.size()) * kForwardAndBackward * injection_flops(shape) / rates.flops;
  // the kernel is read for every unit, forward and backward, however few rows there are
  const double kernel_bytes = 4 * H * static_cast<double>(shape.kernel * shape.block_channels()) * A;
  cost.unit_level = rates.unit_level + 2 * kernel_bytes / rates.memory_bandwidth;
  cost.unit = rates.unit_level;
  return cost;
}

}  // namespace

Costs costs_of(const RunNumbers& run, const Rates& rates) {
  const auto W = static_cast<double>(run.element.weights);
  const ParameterSize size = parameter_size(run.shape, run.shape.vocabulary);
  Costs costs;
  costs.body = rates.body ? *rates.body : body_cost(run, rates);
  costs.loss_row = rates.loss_row.value_or(kForwardAndBackward * softmax_flops(run.shape, cluster_shares_of(run)) / rates.flops);
  // the decoder's gradient is written once and, tile by tile, added to
  costs.loss_window = rates.loss_window.value_or(3 * static_cast<double>(size.vocabulary) * W / rates.memory_bandwidth);
  // the norm reads gradients; the update reads and writes weights and its own tensors, and reads gradients
  costs.update_element = rates.update_element.value_or((4 + 2 * static_cast<double>(run.optimizer_copies)) * W / rates.memory_bandwidth);
  costs.window_kernels = rates.window_kernels.value_or(8 * static_cast<double>(size.body) * W / rates.memory_bandwidth);
  return costs;
}

}  // namespace trellis
