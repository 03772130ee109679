// What every CPU backend demands of the tensors it is given, in one place and with one wording.
#pragma once

#include <torch/csrc/distributed/c10d/Types.hpp>

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "mpi/communicator.h"

namespace trellis {

// "float32 [3, 4]"
std::string describe(const at::Tensor& tensor);

// The memory of a contiguous CPU tensor; throws InternalError naming `operation` and the tensor.
std::span<std::byte> tensor_bytes(const at::Tensor& tensor, const char* operation);

// c10d passes lists of tensors; these backends take exactly one.
at::Tensor& only_tensor(std::vector<at::Tensor>& tensors, const char* operation);

// Throws unless `whole` has `ranks` times the elements of `part`, and the same dtype.
void expect_parts(const at::Tensor& whole, const at::Tensor& part, int ranks, const char* operation);

// Throws unless 0 <= peer < size.
void expect_rank(int peer, int size, const char* operation);

// Throws for operations other than sum, max and min, and for dtypes that have no such reduction.
Reduction supported_reduction(const c10d::ReduceOp& op, at::ScalarType dtype, const char* operation);

}  // namespace trellis
