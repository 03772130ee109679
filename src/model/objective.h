// What training minimises: the loss of the final output, of the auxiliary outputs (deep supervision), and two penalties on
// the final output (Merity, McCann and Socher 2017):
//
//   mean(-log p) + auxiliary_weight * sum over auxiliary outputs of mean(-log p)
//     + activation * mean(output after dropout ^ 2) + slowness * mean((output[t+1] - output[t] before dropout) ^ 2)
//
// Means are over the scored steps of all lanes; the penalties' also over the O channels.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>

namespace trellis {

struct Objective {
  double auxiliary_weight = 0;
  double activation = 0;  // alpha
  double slowness = 0;    // beta
};

// What the scored steps of all processes' lanes are counted by; of several windows, if their gradients are added up.
struct ScoredSteps {
  std::int64_t steps = 0, lanes = 0, outputs = 0;
  std::int64_t windows = 1;
  double tokens() const { return static_cast<double>(steps) * static_cast<double>(lanes); }
  double activations() const { return tokens() * static_cast<double>(outputs); }
  double changes() const { return static_cast<double>(steps - windows) * static_cast<double>(lanes) * static_cast<double>(outputs); }
};

// Sums over some lanes' scored steps; sums of several processes add up. Computed as a tensor of kCount float64 numbers in this
// order, so that nobody has to wait for them.
struct LossSums {
  static constexpr std::int64_t kCount = 4;
  double loss = 0;        // final output, nats
  double auxiliary = 0;   // all auxiliary outputs, unweighted, nats
  double activation = 0;  // of squares
  double slowness = 0;    // of squares

  static LossSums from(const double* numbers) { return {numbers[0], numbers[1], numbers[2], numbers[3]}; }
  // Waits for the device.
  static LossSums read(const at::Tensor& numbers) { return from(numbers.cpu().const_data_ptr<double>()); }
};

// The objective's value.
inline double total(const Objective& objective, const LossSums& sums, const ScoredSteps& scored) {
  double value = (sums.loss + objective.auxiliary_weight * sums.auxiliary) / scored.tokens();
  value += objective.activation * sums.activation / scored.activations();
  if (scored.steps > scored.windows) value += objective.slowness * sums.slowness / scored.changes();
  return value;
}

}  // namespace trellis
