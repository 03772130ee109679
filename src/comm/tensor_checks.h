// What every CPU backend demands of the tensors it is given, in one place and with one wording.
#pragma once

#include <torch/csrc/distributed/c10d/Types.hpp>

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <cstdint>
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

// What all_to_all demands: on either side one number of rows for each rank, none negative, together the tensor's dimension 0;
// rows of the same shape and dtype on both sides; and what `rank` keeps is as much in the output as in the input.
void expect_exchange(const at::Tensor& output, const at::Tensor& input, std::span<const std::int64_t> receive_rows,
                     std::span<const std::int64_t> send_rows, int rank, int ranks);

// The memory of each rank's rows, which have been checked; throws like tensor_bytes.
std::vector<std::span<std::byte>> row_parts(const at::Tensor& tensor, std::span<const std::int64_t> rows, const char* operation);

// Throws unless 0 <= peer < size.
void expect_rank(int peer, int size, const char* operation);

// Throws for operations other than sum, max and min, and for dtypes that have no such reduction.
Reduction supported_reduction(const c10d::ReduceOp& op, at::ScalarType dtype, const char* operation);

}  // namespace trellis
