// Message tags that say which collective a message belongs to. Messages of different collectives then never meet, whatever
// the ranks do, and a rank that waits can see from a message nobody asked for that its sender does something else. That costs
// nothing on the way: no byte more is sent.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>

#include "comm/faults/operation_log.h"

namespace trellis {

// What all ranks of a group must agree on.
struct CollectiveSignature {
  Operation operation;
  std::int64_t bytes;  // that each rank brings; of an all_to_all: of a row
  at::ScalarType dtype;
  int argument;  // the reduction or the root

  std::string text() const;  // "all_reduce of 40 bytes of Float"
};

class CollectiveTags {
 public:
  // Asks MPI for its largest tag.
  CollectiveTags();

  // The next collective begins.
  void next(const CollectiveSignature& signature);
  std::uint64_t number() const { return number_; }  // of the current collective, from 1
  const CollectiveSignature& signature() const { return signature_; }

  // Of the current collective's messages; those of its two phases, 0 and 1, are told apart.
  int tag(int phase) const { return tag_ | phase; }

  // Whether a message with this tag, which no receive has asked for, cannot come from a rank that does what this one does: it
  // is of this collective but another one there, or of an earlier one. Of a later one it may be, as some ranks are ahead.
  bool differs(int tag) const;
  // What its sender does: "all_gather", or "all_reduce of another size, dtype or argument" where it is the same operation.
  std::string text(int tag) const;

 private:
  int hash_bits_;
  CollectiveSignature signature_ = {};
  std::uint64_t number_ = 0;
  int tag_ = 0;
};

}  // namespace trellis
