// What a step should take, before there was one: the plan's operations (predict/prediction.h) at the speed of a matrix product that is
// timed here, for a tenth of a second. Good to a factor of two or so: enough to tell seconds from hours.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <optional>

#include "config/settings.h"
#include "plan/mesh.h"
#include "predict/run_numbers.h"

namespace trellis {

// Seconds, where a step takes so many that one would wonder; empty where it does not, and on a GPU, whose first step does not and
// whose speed a product here does not tell, or for a classifier, which nothing is planned for. options: of its tensors.
std::optional<double> slow_step_seconds(const Settings& settings, const TrellisShape& shape, const Mesh& mesh, const at::TensorOptions& options);

// Operations a second of products of matrices of this type, on a CPU.
double product_flops(at::ScalarType type);

// Seconds. chunks: of time; 0: the fastest. flops: of one rank.
double expected_step_seconds(const RunNumbers& run, const Mesh& mesh, std::int64_t chunks, double flops);

}  // namespace trellis
