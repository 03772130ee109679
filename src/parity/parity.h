// Replays a parity file with this project's own model and optimizer and compares every number in it.
#pragma once

#include <ATen/ATen.h>

#include <optional>
#include <string>
#include <vector>

#include "comm/mesh_groups.h"
#include "parity/parity_file.h"
#include "weights/safetensors.h"

namespace trellis {

struct ParityResult {
  int step = 0;
  std::string quantity;  // "loss", "grads/W2_v", ...
  double error = 0;      // by parity_error or parity_distance; NaN counts as infinite
};

// max |a - b| / max |b| over the tensor; max |a - b| where b is all zero. Sizes must agree.
double parity_error(const at::Tensor& actual, const at::Tensor& expected);
// |a - b| / |b| in Frobenius norm; |a - b| where b is all zero.
double parity_distance(const at::Tensor& actual, const at::Tensor& expected);

// The largest error that is allowed for activations of this type.
double parity_limit(at::ScalarType type);

// What the replay runs on: every rank replays its part and gets every result.
struct ReplayMesh {
  const MeshGroups& groups;
  std::int64_t chunks = 1;
};

// Every quantity of every training step, in order, by parity_error. With `activations` narrower than the weights: loss, h, c
// and gradients of the first step only, by parity_distance, since rounding sends later steps apart. Throws DataError when the file lacks something, ConfigError when its case
// needs what this program does not have.
std::vector<ParityResult> replay_parity(const ParityFile& file, at::TensorOptions options, std::optional<at::ScalarType> activations,
                                        const ReplayMesh& mesh);

// What a network whose weights stand in a file of their own, under the authors' names, answers to one window of tokens: `h`
// and `c` after it, and `target_log_prob`. Throws as above, and as read_published_weights (weights/published_weights.h).
std::vector<ParityResult> replay_published(const ParityFile& file, const SafetensorsFile& weights, at::TensorOptions options);

// The program `parity`: returns the exit code.
int parity_command(const std::vector<std::string>& arguments);

}  // namespace trellis
