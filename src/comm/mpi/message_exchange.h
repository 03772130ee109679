// Collectives made of MPI messages, for groups that span nodes and for what shared memory would not speed up.
#pragma once

#include <ATen/core/Tensor.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "comm/mpi/collective_tags.h"
#include "comm/mpi/messages.h"
#include "comm/mpi/polling.h"
#include "mpi/communicator.h"

namespace trellis {

class MessageExchange {
 public:
  // `communicator` is borrowed. Messages above `largest_message_bytes` are cut.
  MessageExchange(const Communicator& communicator, std::int64_t largest_message_bytes);

  // Comes before each collective of the group, even of those that go another way: it numbers them.
  void next(const CollectiveSignature& signature) { tags_.next(signature); }
  const CollectiveTags& current() const { return tags_; }

  void broadcast(std::span<std::byte> bytes, int root, const Patience& patience);
  // output = the inputs of all ranks in rank order.
  void all_gather(std::span<std::byte> output, std::span<const std::byte> input, const Patience& patience);
  // Rank r receives send_parts[r] here, and its part for this rank arrives in receive_parts[r]; parts may be empty.
  void all_to_all(std::span<const std::span<std::byte>> receive_parts, std::span<const std::span<std::byte>> send_parts,
                  const Patience& patience);
  // Reduce-scatter, then all-gather, a segment at a time: each rank reduces its slice in rank order. In place.
  void all_reduce(std::span<std::byte> bytes, at::ScalarType dtype, Reduction reduction, const Patience& patience);
  void reduce_scatter(std::span<std::byte> output, std::span<const std::byte> input, at::ScalarType dtype,
                      Reduction reduction, const Patience& patience);
  void barrier(const Patience& patience);

  // Throws InternalError when a message has come that only a rank which does another collective can have sent.
  void expect_same_collective() const;
  std::int64_t sent_bytes() const { return sent_bytes_; }

 private:
  void broadcast_by_tree(std::span<std::byte> bytes, int root, const Patience& patience);
  void broadcast_by_chain(std::span<std::byte> bytes, int root, const Patience& patience);
  Messages messages() { return Messages({communicator_.get(), largest_message_bytes_, &sent_bytes_}); }
  // Reduces this rank's part of a segment into `out`, sending the others theirs. part(r): rank r's part of the input.
  template <class Part>
  void reduce_part(std::span<std::byte> out, Part&& part, at::ScalarType dtype, Reduction reduction,
                   const Patience& patience);

  const Communicator& communicator_;
  std::int64_t largest_message_bytes_;
  CollectiveTags tags_;
  std::atomic<std::int64_t> sent_bytes_ = 0;
  std::byte token_ = {};             // what a barrier receives
  std::vector<std::byte> received_;  // the other ranks' contributions to this rank's part
};

}  // namespace trellis
