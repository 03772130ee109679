// The device that each rank of a run computes on.
#pragma once

#include <ATen/ATen.h>

#include <optional>

#include "comm/mesh_groups.h"
#include "config/settings.h"
#include "mpi/communicator.h"
#include "ranks/ranks.h"

namespace trellis {

// Whether NVIDIA's driver is here and shows a GPU; asks the driver alone, which costs a few milliseconds.
bool gpu_is_visible();

// Collective: all ranks compute on CPUs, or each on a GPU of its machine: the one with the number of its place among the
// machine's ranks. Made current here, before any communicator of GPUs. Rank 0 logs which rank has which.
// automatic: GPUs where this build and every rank's machine have them, CPUs otherwise.
// Throws ConfigError, on every rank, when GPUs are asked for and cannot be had.
at::Device choose_device(const Communicator& world, DeviceChoice choice);

// The groups of a mesh for tensors of `device`, where they lie. Collective.
MeshGroups mesh_groups_on(const Ranks& ranks, at::Device device, const Mesh& mesh);

// The first GPU, made current, for a program of one process. Throws as above.
at::Device first_gpu();

// Collective: what a trained run is evaluated with: a GPU where there is one, as for `automatic`, and the numbers of
// train.precision, or float32 where that is tf32 and there is no GPU.
at::TensorOptions evaluation_options(const Communicator& world, Settings settings);

// Collective: from now on products of float32 are split for the processors' matrix units (model/split_products.h), if every rank
// computes on a CPU that has them, in float32; returns whether that is so.
bool use_split_products_on_all(const Communicator& world, const at::TensorOptions& options);

// How GPUs multiply from now on: factors in float32 may be rounded to TF32, or not; parts of a sum never to less than float32.
void set_product_precision(bool tf32);

}  // namespace trellis
