#include "comm/mpi/message_exchange.h"

#include <fmt/format.h>
#include <mpi.h>

#include <algorithm>
#include <cstring>

#include "base/errors.h"
#include "comm/elementwise_reduce.h"
#include "mpi/check.h"
#include "plan/shard_range.h"

namespace trellis {
namespace {

constexpr std::byte kToken = {};  // what a barrier sends
constexpr int kReduce = 0, kGather = 1;  // phases, of which an all-reduce has two
// Bounds the memory for received contributions to about this much.
constexpr std::int64_t kSegmentBytes = 4 << 20;
// A broadcast up to here goes through a tree, which ends soonest; above through a chain, in such pieces, which is about as
// fast as one message between two ranks however many there are.
constexpr std::int64_t kChainBytes = 256 << 10;

void complete(Messages& messages, const Patience& patience) {
  poll_until([&] { return messages.test(); }, patience);
}

}  // namespace

MessageExchange::MessageExchange(const Communicator& communicator, std::int64_t largest_message_bytes)
    : communicator_(communicator), largest_message_bytes_(largest_message_bytes) {}

void MessageExchange::expect_same_collective() const {
  for (int other = 0; other < communicator_.size(); ++other) {
    if (other == communicator_.rank()) continue;
    int found = 0;
    MPI_Status status;
    check_mpi(MPI_Iprobe(other, MPI_ANY_TAG, communicator_.get(), &found, &status), "MPI_Iprobe");
    if (found && tags_.differs(status.MPI_TAG)) {
      throw InternalError(fmt::format("collective {} of this group is {} on rank {}, but on rank {} it is {}", tags_.number(),
                                      tags_.signature().text(), communicator_.rank(), other, tags_.text(status.MPI_TAG)),
                          "communication", "all ranks must communicate in the same order, with tensors of the same size and dtype");
    }
  }
}

// Each round tells the rank twice as far: after the last one everybody has heard, if only through others, from everybody.
void MessageExchange::barrier(const Patience& patience) {
  const int rank = communicator_.rank(), size = communicator_.size();
  for (int distance = 1; distance < size; distance *= 2) {
    Messages round = messages();
    round.receive({&token_, 1}, (rank + size - distance) % size, tags_.tag(0));
    round.send({&kToken, 1}, (rank + distance) % size, tags_.tag(0));
    complete(round, patience);
  }
}

void MessageExchange::broadcast(std::span<std::byte> bytes, int root, const Patience& patience) {
  if (static_cast<std::int64_t>(bytes.size()) <= kChainBytes)
    broadcast_by_tree(bytes, root, patience);
  else
    broadcast_by_chain(bytes, root, patience);
}

// Place 0 is the root's. A place's parent is the place without its lowest bit.
void MessageExchange::broadcast_by_tree(std::span<std::byte> bytes, int root, const Patience& patience) {
  const int size = communicator_.size(), place = (communicator_.rank() - root + size) % size;
  const auto rank_at = [&](int other) { return (other + root) % size; };
  Messages down = messages();
  int bit = 1;
  for (; bit < size; bit *= 2) {
    if ((place & bit) == 0) continue;
    Messages up = messages();
    up.receive(bytes, rank_at(place - bit), tags_.tag(0));
    complete(up, patience);
    break;
  }
  for (bit /= 2; bit > 0; bit /= 2) {
    if (place + bit < size) down.send(bytes, rank_at(place + bit), tags_.tag(0));
  }
  complete(down, patience);
}

void MessageExchange::broadcast_by_chain(std::span<std::byte> bytes, int root, const Patience& patience) {
  const int size = communicator_.size(), place = (communicator_.rank() - root + size) % size;
  const auto total = static_cast<std::int64_t>(bytes.size());
  std::vector<Messages> receiving;
  for (std::int64_t begin = 0; place > 0 && begin < total; begin += kChainBytes)
    receiving.emplace_back(messages()).receive(bytes.subspan(begin, std::min(kChainBytes, total - begin)), (place - 1 + root) % size, tags_.tag(0));
  Messages sending = messages();
  for (std::int64_t begin = 0; begin < total; begin += kChainBytes) {
    if (place > 0) complete(receiving[static_cast<std::size_t>(begin / kChainBytes)], patience);
    if (place + 1 < size) sending.send(bytes.subspan(begin, std::min(kChainBytes, total - begin)), (place + 1 + root) % size, tags_.tag(0));
  }
  complete(sending, patience);
}

void MessageExchange::all_gather(std::span<std::byte> output, std::span<const std::byte> input, const Patience& patience) {
  const int rank = communicator_.rank(), size = communicator_.size();
  const auto part = [&](int r) { return output.subspan(r * input.size(), input.size()); };
  Messages exchanged = messages();
  // Each rank starts with its next neighbour, so that no rank is everyone's first target.
  for (int distance = 1; distance < size; ++distance)
    exchanged.receive(part((rank + size - distance) % size), (rank + size - distance) % size, tags_.tag(kGather));
  for (int distance = 1; distance < size; ++distance)
    exchanged.send(input, (rank + distance) % size, tags_.tag(kGather));
  if (!input.empty() && part(rank).data() != input.data()) std::memcpy(part(rank).data(), input.data(), input.size());
  complete(exchanged, patience);
}

void MessageExchange::all_to_all(std::span<const std::span<std::byte>> receive_parts,
                                 std::span<const std::span<std::byte>> send_parts, const Patience& patience) {
  const int rank = communicator_.rank(), size = communicator_.size();
  Messages exchanged = messages();
  for (int distance = 1; distance < size; ++distance) {
    const int from = (rank + size - distance) % size;
    exchanged.receive(receive_parts[from], from, tags_.tag(kReduce));
  }
  for (int distance = 1; distance < size; ++distance) {
    const int to = (rank + distance) % size;
    exchanged.send(send_parts[to], to, tags_.tag(kReduce));
  }
  if (!send_parts[rank].empty()) std::memcpy(receive_parts[rank].data(), send_parts[rank].data(), send_parts[rank].size());
  complete(exchanged, patience);
}

template <class Part>
void MessageExchange::reduce_part(std::span<std::byte> out, Part&& part, at::ScalarType dtype, Reduction reduction,
                                  const Patience& patience) {
  const int rank = communicator_.rank(), size = communicator_.size();
  received_.resize(std::max(received_.size(), out.size() * size));
  const auto received = [&](int r) { return std::span(received_).subspan(r * out.size(), out.size()); };
  Messages exchanged = messages();
  for (int distance = 1; distance < size; ++distance) {
    const int from = (rank + size - distance) % size;
    exchanged.receive(received(from), from, tags_.tag(kReduce));
  }
  for (int distance = 1; distance < size; ++distance) {
    const int to = (rank + distance) % size;
    exchanged.send(part(to), to, tags_.tag(kReduce));
  }
  complete(exchanged, patience);

  std::vector<const std::byte*> sources(size);
  for (int r = 0; r < size; ++r) sources[r] = r == rank ? part(rank).data() : received(r).data();
  reduce_in_order(dtype, reduction, sources, out.data(), nullptr,
                  static_cast<std::int64_t>(out.size() / c10::elementSize(dtype)));
}

void MessageExchange::all_reduce(std::span<std::byte> bytes, at::ScalarType dtype, Reduction reduction,
                                 const Patience& patience) {
  const int rank = communicator_.rank(), size = communicator_.size();
  const auto item = static_cast<std::int64_t>(c10::elementSize(dtype));
  const auto total = static_cast<std::int64_t>(bytes.size());
  const std::int64_t segment_bytes = kSegmentBytes / item * item;
  for (std::int64_t begin = 0; begin < total; begin += segment_bytes) {
    const auto segment = bytes.subspan(begin, std::min(segment_bytes, total - begin));
    const auto part = [&](int r) {
      const Range range = shard_range(static_cast<std::int64_t>(segment.size()) / item, size, r);
      return segment.subspan(range.begin * item, (range.end - range.begin) * item);
    };
    reduce_part(part(rank), part, dtype, reduction, patience);
    Messages exchanged = messages();
    for (int distance = 1; distance < size; ++distance) {
      const int from = (rank + size - distance) % size;
      exchanged.receive(part(from), from, tags_.tag(kGather));
    }
    for (int distance = 1; distance < size; ++distance)
      exchanged.send(part(rank), (rank + distance) % size, tags_.tag(kGather));
    complete(exchanged, patience);
  }
}

void MessageExchange::reduce_scatter(std::span<std::byte> output, std::span<const std::byte> input, at::ScalarType dtype,
                                     Reduction reduction, const Patience& patience) {
  const auto item = static_cast<std::int64_t>(c10::elementSize(dtype));
  const auto total = static_cast<std::int64_t>(output.size());
  const std::int64_t segment_bytes = std::max(item, kSegmentBytes / communicator_.size() / item * item);
  for (std::int64_t begin = 0; begin < total; begin += segment_bytes) {
    const std::int64_t bytes = std::min(segment_bytes, total - begin);
    const auto part = [&](int r) { return input.subspan(r * total + begin, bytes); };
    reduce_part(output.subspan(begin, bytes), part, dtype, reduction, patience);
  }
}

}  // namespace trellis
