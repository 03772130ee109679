// What every backend must do, written once: thread ranks and MPI ranks run the same checks.
// Values are small integers, so that sums are exact and equality is the test.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

#include "base/errors.h"
#include "comm/process_group.h"

namespace trellis::testing_support {

inline const std::vector<std::int64_t> kSizes = {0, 1, 10, 1000, 10007};
inline const std::vector<at::ScalarType> kReducibleTypes = {at::kFloat, at::kDouble, at::kLong, at::kInt, at::kByte};
inline const std::vector<at::ScalarType> kMovableTypes = {at::kFloat, at::kDouble, at::kLong,     at::kInt,
                                                          at::kByte,  at::kBool,   at::kBFloat16};

// Element i of rank r: (7 i + 3 r) mod 11.
at::Tensor sample(std::int64_t size, at::ScalarType dtype, int rank);
at::Tensor random_floats(std::int64_t size, int rank, at::ScalarType dtype = at::kFloat);

void check_all_reduce(const ProcessGroup& group, std::int64_t size, at::ScalarType dtype);
void check_bool_all_reduce(const ProcessGroup& group, std::int64_t size);
void check_reduce_scatter(const ProcessGroup& group, std::int64_t size, at::ScalarType dtype);
void check_broadcast(const ProcessGroup& group, std::int64_t size, at::ScalarType dtype);
void check_all_gather(const ProcessGroup& group, std::int64_t size, at::ScalarType dtype);
// Rank a sends (2 a + 3 b + shift) mod 4 rows of `width` elements to rank b: uneven, some of them none.
void check_all_to_all(const ProcessGroup& group, std::int64_t width, at::ScalarType dtype);
// Nobody sends anything; then only the last rank has rows, for the first.
void check_empty_all_to_all(const ProcessGroup& group);
// Each rank sends to the next with two tags, which the receiver asks for in the other order, both ways round the ring.
void check_ring_messages(const ProcessGroup& group, std::int64_t size, at::ScalarType dtype);
// Collectives started together, waited for out of order, with messages between.
void check_concurrent_operations(const ProcessGroup& group, std::int64_t size);
// Sums of random floats have the bits of the sum in rank order, on every rank and every time.
void check_bits_of_sums(const ProcessGroup& group, std::int64_t size);
void check_reduction_with_nan(const ProcessGroup& group);
void check_errors_of_unfit_tensors(const ProcessGroup& group);
void check_errors_of_unfit_rows(const ProcessGroup& group);

// The message of the trellis::Error that fn throws, after checking its category; empty and a failure if it throws none.
template <class Fn>
std::string message_of(ExitCode code, Fn&& fn) {
  try {
    fn();
  } catch (const Error& error) {
    EXPECT_EQ(static_cast<int>(error.code()), static_cast<int>(code)) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "no error";
  return "";
}

}  // namespace trellis::testing_support
