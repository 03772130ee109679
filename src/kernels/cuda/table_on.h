// Every kernel on one kind of device, as a table. Device::run(body, blocks, stream) runs a body (block.h) for each of
// `blocks` blocks: a GPU (device.cuh), or a loop on a CPU in a test.
#pragma once

#include "kernels/cuda/column_sums.h"
#include "kernels/cuda/convert.h"
#include "kernels/cuda/cross_entropy.h"
#include "kernels/cuda/dropout.h"
#include "kernels/cuda/embedding.h"
#include "kernels/cuda/gates.h"
#include "kernels/cuda/gather.h"
#include "kernels/cuda/lamb.h"
#include "kernels/cuda/level_sums.h"
#include "kernels/cuda/norm.h"
#include "kernels/cuda/optimizer.h"
#include "kernels/cuda/softmax_stripes.h"
#include "kernels/cuda/weight_norm.h"
#include "kernels/table.h"

namespace trellis::cuda {

template <class Device, class A>
KernelTable<A> table_on(const char* name) {
  using T = Compute<A>;
  return {name,
          gates_forward<Device, A>,
          gates_backward<Device, A>,
          effective_kernel_forward<Device, A>,
          effective_kernel_backward<Device, T>,
          embedding_forward<Device, A>,
          embedding_backward<Device, A>,
          gather_steps<Device, A>,
          scatter_add_steps<Device, A>,
          cross_entropy<Device, T>,
          softmax_statistics<Device, T>,
          softmax_gradient<Device, T>,
          sgd_update<Device, T>,
          adam_update<Device, T>,
          lamb_moments<Device, T>,
          lamb_trust<Device, T>,
          lamb_apply<Device, T>,
          dropout_mask<Device, T>,
          squared_norm<Device, T>,
          round_elements<Device, A>,
          widen_rows<Device, A>,
          column_sums<Device, A>,
          level_sums<Device, A>};
}

}  // namespace trellis::cuda
