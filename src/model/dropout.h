// The dropout masks of one window, all of them explicit: drawn here from counter-based streams, or given by a caller who
// wants particular ones. A mask holds 0 or 1/(1-p). An undefined tensor means no dropout.
#pragma once

#include <ATen/ATen.h>

#include <optional>
#include <vector>

#include "plan/random.h"
#include "plan/shard_range.h"
#include "plan/trellis_shape.h"

namespace trellis {

// Probabilities in [0, 1); 0 turns a kind off.
struct DropoutRates {
  double embedding = 0;  // whole words
  double input = 0;      // channels of the embedded input, one mask a lane for all steps
  double hidden = 0;     // channels of h, one mask a lane for all steps and levels; it masks the history too
  double output = 0;     // channels of an output, one mask a lane and output
  double weight = 0;     // single weights of the raw kernels, every tap but the last
  double latent = 0;     // experts' latent vectors before the tanh, one mask a lane and output
};

// Dropout of a kernel: too large to keep, so it is drawn inside the kernel that uses it, unless it is given.
struct KernelDropout {
  at::Tensor given;  // [4H, k, channels], scaled, or undefined
  double rate = 0;
  RandomStream stream;
};

struct DropoutMasks {
  at::Tensor embedding_rows;        // [V]
  at::Tensor input;                 // [lanes, E]
  at::Tensor hidden;                // [lanes, H]
  std::vector<at::Tensor> outputs;  // [lanes, O] each; 0 the final output, n the n-th auxiliary one; may be empty
  std::vector<at::Tensor> latents;  // [lanes, K E] each, likewise
  KernelDropout input_kernel, hidden_kernel;

  // Mask n of outputs or latents; undefined where there is none.
  static at::Tensor of(const std::vector<at::Tensor>& masks, std::int64_t number) {
    const auto n = static_cast<std::size_t>(number);
    return n < masks.size() ? masks[n] : at::Tensor();
  }
};

// Fills masks for the given global lanes, those of latent vectors for others if there are some, reusing the tensors that
// `masks` holds. The numbers depend on the seed, the window, and each lane's global number only.
void draw_masks(DropoutMasks& masks, const DropoutRates& rates, const TrellisShape& shape, std::uint64_t seed,
                std::uint64_t window, Range lanes, at::TensorOptions options, std::optional<Range> latent_lanes = std::nullopt);

// The same for a classifier of sequences of `steps` steps: the masks that SequenceClassifier takes.
void draw_classifier_masks(DropoutMasks& masks, const DropoutRates& rates, const TrellisShape& shape, std::uint64_t seed,
                           std::uint64_t window, Range lanes, std::int64_t steps, at::TensorOptions options);

}  // namespace trellis
