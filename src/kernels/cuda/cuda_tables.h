// The tables of kernels that run on a GPU, one for each type of activations; defined where nvcc compiles.
#pragma once

#include "kernels/table.h"

namespace trellis::cuda {

template <class A>
const KernelTable<A>& device_table();

}  // namespace trellis::cuda
