#include "comm/message_exchange.h"

#include <algorithm>
#include <cstring>

#include "comm/elementwise_reduce.h"
#include "mpi/check.h"
#include "plan/shard_range.h"

namespace trellis {
namespace {

constexpr int kReduceTag = 1, kGatherTag = 2, kAllToAllTag = 3;
// Bounds the memory for received contributions to about this much.
constexpr std::int64_t kSegmentBytes = 4 << 20;

}  // namespace

MessageExchange::MessageExchange(const Communicator& communicator, std::int64_t largest_message_bytes)
    : communicator_(communicator), largest_message_bytes_(largest_message_bytes) {}

void MessageExchange::post_send(std::span<const std::byte> bytes, int to, int tag, MPI_Comm communicator,
                                std::int64_t largest_message_bytes, std::vector<MPI_Request>& requests) {
  const auto total = static_cast<std::int64_t>(bytes.size());
  for (std::int64_t done = 0; done < total; done += largest_message_bytes) {
    const int count = static_cast<int>(std::min(largest_message_bytes, total - done));
    check_mpi(MPI_Isend(bytes.data() + done, count, MPI_BYTE, to, tag, communicator, &requests.emplace_back(MPI_REQUEST_NULL)),
              "MPI_Isend");
  }
}

void MessageExchange::post_receive(std::span<std::byte> bytes, int from, int tag, MPI_Comm communicator,
                                   std::int64_t largest_message_bytes, std::vector<MPI_Request>& requests) {
  const auto total = static_cast<std::int64_t>(bytes.size());
  for (std::int64_t done = 0; done < total; done += largest_message_bytes) {
    const int count = static_cast<int>(std::min(largest_message_bytes, total - done));
    check_mpi(MPI_Irecv(bytes.data() + done, count, MPI_BYTE, from, tag, communicator, &requests.emplace_back(MPI_REQUEST_NULL)),
              "MPI_Irecv");
  }
}

void MessageExchange::complete(std::vector<MPI_Request>& requests, const Patience& patience) {
  poll_until(
      [&] {
        int done = 0;
        check_mpi(MPI_Testall(static_cast<int>(requests.size()), requests.data(), &done, MPI_STATUSES_IGNORE), "MPI_Testall");
        return done != 0;
      },
      patience);
  requests.clear();
}

void MessageExchange::barrier(const Patience& patience) {
  std::vector<MPI_Request> requests(1, MPI_REQUEST_NULL);
  check_mpi(MPI_Ibarrier(communicator_.get(), &requests[0]), "MPI_Ibarrier");
  complete(requests, patience);
}

void MessageExchange::broadcast(std::span<std::byte> bytes, int root, const Patience& patience) {
  const auto total = static_cast<std::int64_t>(bytes.size());
  std::vector<MPI_Request> requests;
  for (std::int64_t done = 0; done < total; done += largest_message_bytes_) {
    const int count = static_cast<int>(std::min(largest_message_bytes_, total - done));
    check_mpi(MPI_Ibcast(bytes.data() + done, count, MPI_BYTE, root, communicator_.get(), &requests.emplace_back(MPI_REQUEST_NULL)),
              "MPI_Ibcast");
  }
  complete(requests, patience);
}

void MessageExchange::all_gather(std::span<std::byte> output, std::span<const std::byte> input, const Patience& patience) {
  const int rank = communicator_.rank(), size = communicator_.size();
  const auto part = [&](int r) { return output.subspan(r * input.size(), input.size()); };
  std::vector<MPI_Request> requests;
  // Each rank starts with its next neighbour, so that no rank is everyone's first target.
  for (int distance = 1; distance < size; ++distance)
    post_receive(part((rank + size - distance) % size), (rank + size - distance) % size, kGatherTag, communicator_.get(),
                 largest_message_bytes_, requests);
  for (int distance = 1; distance < size; ++distance)
    post_send(input, (rank + distance) % size, kGatherTag, communicator_.get(), largest_message_bytes_, requests);
  if (!input.empty() && part(rank).data() != input.data()) std::memcpy(part(rank).data(), input.data(), input.size());
  complete(requests, patience);
}

void MessageExchange::all_to_all(std::span<const std::span<std::byte>> receive_parts,
                                 std::span<const std::span<std::byte>> send_parts, const Patience& patience) {
  const int rank = communicator_.rank(), size = communicator_.size();
  std::vector<MPI_Request> requests;
  for (int distance = 1; distance < size; ++distance) {
    const int from = (rank + size - distance) % size;
    post_receive(receive_parts[from], from, kAllToAllTag, communicator_.get(), largest_message_bytes_, requests);
  }
  for (int distance = 1; distance < size; ++distance) {
    const int to = (rank + distance) % size;
    post_send(send_parts[to], to, kAllToAllTag, communicator_.get(), largest_message_bytes_, requests);
  }
  if (!send_parts[rank].empty()) std::memcpy(receive_parts[rank].data(), send_parts[rank].data(), send_parts[rank].size());
  complete(requests, patience);
}

template <class Part>
void MessageExchange::reduce_part(std::span<std::byte> out, Part&& part, at::ScalarType dtype, Reduction reduction,
                                  const Patience& patience) {
  const int rank = communicator_.rank(), size = communicator_.size();
  received_.resize(std::max(received_.size(), out.size() * size));
  const auto received = [&](int r) { return std::span(received_).subspan(r * out.size(), out.size()); };
  std::vector<MPI_Request> requests;
  for (int distance = 1; distance < size; ++distance) {
    const int from = (rank + size - distance) % size;
    post_receive(received(from), from, kReduceTag, communicator_.get(), largest_message_bytes_, requests);
  }
  for (int distance = 1; distance < size; ++distance) {
    const int to = (rank + distance) % size;
    post_send(part(to), to, kReduceTag, communicator_.get(), largest_message_bytes_, requests);
  }
  complete(requests, patience);

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
    std::vector<MPI_Request> requests;
    for (int distance = 1; distance < size; ++distance) {
      const int from = (rank + size - distance) % size;
      post_receive(part(from), from, kGatherTag, communicator_.get(), largest_message_bytes_, requests);
    }
    for (int distance = 1; distance < size; ++distance)
      post_send(part(rank), (rank + distance) % size, kGatherTag, communicator_.get(), largest_message_bytes_, requests);
    complete(requests, patience);
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
