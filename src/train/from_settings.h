// From a run's settings to the plain values that the folders below take.
#pragma once

#include <ATen/ATen.h>

#include "config/settings.h"
#include "model/dropout.h"
#include "model/initialize.h"
#include "model/level_stack.h"
#include "model/objective.h"
#include "optimizer/optimizer.h"
#include "plan/learning_rate.h"
#include "plan/mesh.h"
#include "plan/trellis_shape.h"

namespace trellis {

// Throws ConfigError where the mesh does not fit the ranks that are running.
Mesh mesh_from(const Settings& settings, int ranks);
// Validated. Throws ConfigError. vocabulary: words; a classifier has none and does not look at it.
TrellisShape shape_from(const Settings& settings, std::int64_t vocabulary);
Objective objective_from(const Settings& settings);
DropoutRates dropout_from(const Settings& settings);
InitialValues initial_values_from(const Settings& settings);
OptimizerRule optimizer_rule_from(const Settings& settings);
LearningRateSchedule schedule_from(const Settings& settings);
Keep keep_from(const Settings& settings);
// Of weights, states and optimizer; tf32 is a way to multiply float32.
at::ScalarType number_type_from(const Settings& settings);
// Tensors to compute with. Throws ConfigError where the device does not have the precision.
at::TensorOptions tensor_options_from(const Settings& settings, at::Device device);
// Whether training may round float32 factors to TF32 on a GPU: what is left of float32 products beside bfloat16 activations, too.
bool trains_with_tf32(const Settings& settings);
// Whether the last bits of training on a CPU depend on the number of threads: LibTorch deals rows of a mixture's exponentials out among
// them, and oneDNN sums of bfloat16 products over many rows.
bool bits_depend_on_threads(const Settings& settings);
// The type of activations in training where it is not that of the weights. Evaluation computes in the weights' type.
std::optional<at::ScalarType> activation_type_from(const Settings& settings);

}  // namespace trellis
