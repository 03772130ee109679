#include "comm/mpi/collective_tags.h"

#include <fmt/format.h>
#include <mpi.h>

#include <algorithm>
#include <bit>

#include "mpi/check.h"

namespace trellis {
namespace {

// A tag from its lowest bit: phase, operation, number of the collective, then a hash of the rest.
constexpr int kPhaseBits = 1, kOperationBits = 3, kNumberBits = 6;
constexpr int kOperationShift = kPhaseBits, kNumberShift = kOperationShift + kOperationBits, kHashShift = kNumberShift + kNumberBits;
constexpr int kNumbers = 1 << kNumberBits;

int operation_in(int tag) { return (tag >> kOperationShift) & ((1 << kOperationBits) - 1); }
int number_in(int tag) { return (tag >> kNumberShift) & (kNumbers - 1); }

}  // namespace

std::string CollectiveSignature::text() const {
  OperationRecord record;
  record.operation = operation;
  if (operation == Operation::barrier) return record.name();
  return fmt::format("{} of {} bytes of {}", record.name(), bytes, c10::toString(dtype));
}

CollectiveTags::CollectiveTags() {
  void* value = nullptr;
  int found = 0;
  check_mpi(MPI_Comm_get_attr(MPI_COMM_WORLD, MPI_TAG_UB, &value, &found), "MPI_Comm_get_attr");
  const int largest = found ? *static_cast<int*>(value) : 32767;  // the standard's least
  hash_bits_ = std::bit_width(static_cast<unsigned>(largest) + 1) - 1 - kHashShift;
}

void CollectiveTags::next(const CollectiveSignature& signature) {
  signature_ = signature;
  ++number_;
  std::uint64_t hash = static_cast<std::uint64_t>(signature.bytes) * 0x9E3779B97F4A7C15u;
  hash ^= (static_cast<std::uint64_t>(signature.dtype) << 32) + static_cast<std::uint64_t>(signature.argument);
  hash = (hash ^ (hash >> 29)) * 0xBF58476D1CE4E5B9u;
  const int short_hash = static_cast<int>(hash >> (64 - hash_bits_));
  const int number = static_cast<int>(number_ % kNumbers);
  tag_ = (short_hash << kHashShift) | (number << kNumberShift) | (static_cast<int>(signature.operation) << kOperationShift);
}

bool CollectiveTags::differs(int tag) const {
  const int ahead = (number_in(tag) - number_in(tag_) + kNumbers) % kNumbers;
  if (ahead == 0) return (tag >> kPhaseBits) != (tag_ >> kPhaseBits);
  return ahead >= kNumbers / 2;
}

std::string CollectiveTags::text(int tag) const {
  if (number_in(tag) != number_in(tag_)) return "an earlier collective, which has ended here";
  if (operation_in(tag) == operation_in(tag_)) return fmt::format("{} of another size, dtype or argument", OperationRecord{.operation = signature_.operation}.name());
  return OperationRecord{.operation = static_cast<Operation>(operation_in(tag))}.name();
}

}  // namespace trellis
