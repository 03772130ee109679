#include "comm/threads/thread_backend.h"

#include <fmt/format.h>

#include <condition_variable>
#include <cstring>
#include <deque>
#include <exception>
#include <map>
#include <mutex>
#include <optional>
#include <tuple>
#include <utility>

#include "base/errors.h"
#include "comm/elementwise_reduce.h"
#include "comm/tensor_checks.h"

namespace trellis {
namespace {

class ThreadWork final : public c10d::Work {
 public:
  ThreadWork(int rank, c10d::OpType type, std::vector<at::Tensor> tensors, int source = -1)
      : Work(rank, type), tensors_(std::move(tensors)), source_(source) {}
  std::vector<at::Tensor> result() override { return tensors_; }
  int sourceRank() const override { return source_; }
  void complete(std::exception_ptr failure = nullptr) { finish(std::move(failure)); }

 private:
  std::vector<at::Tensor> tensors_;
  int source_;
};
using WorkPtr = c10::intrusive_ptr<ThreadWork>;

// What one rank brings to a collective. `argument`: the reduction or the root.
struct Contribution {
  c10d::OpType type;
  int argument;
  at::ScalarType dtype;
  std::span<std::byte> input, output;
  WorkPtr work;
  std::vector<std::span<std::byte>> receive_parts = {}, send_parts = {};  // of an all-to-all only, which has no input and output

  std::string describe() const {
    return fmt::format("{} ({}) of {} bytes of {}", c10d::opTypeToString(type), argument, input.size(), c10::toString(dtype));
  }
};

// Does the collective for all ranks.
void perform(const std::vector<std::optional<Contribution>>& ranks) {
  const Contribution& first = *ranks[0];
  for (std::size_t r = 1; r < ranks.size(); ++r) {
    const Contribution& other = *ranks[r];
    if (other.type != first.type || other.argument != first.argument || other.dtype != first.dtype ||
        other.input.size() != first.input.size())
      throw InternalError(fmt::format("rank 0 brings {}, rank {} brings {}", first.describe(), r, other.describe()), "collective", "");
  }
  const auto copy = [](std::span<std::byte> to, std::span<const std::byte> from) {
    if (!from.empty() && to.data() != from.data()) std::memcpy(to.data(), from.data(), from.size());
  };
  const auto reduce = [&](std::size_t offset, std::span<std::byte> out) {
    std::vector<const std::byte*> sources;
    for (const auto& rank : ranks) sources.push_back(rank->input.data() + offset);
    reduce_in_order(first.dtype, static_cast<Reduction>(first.argument), sources, out.data(), nullptr,
                    static_cast<std::int64_t>(out.size() / c10::elementSize(first.dtype)));
  };
  switch (first.type) {
    case c10d::OpType::ALLREDUCE:
      reduce(0, first.output);
      for (std::size_t r = 1; r < ranks.size(); ++r) copy(ranks[r]->output, first.output);
      break;
    case c10d::OpType::BROADCAST:
      for (const auto& rank : ranks) copy(rank->output, ranks[first.argument]->input);
      break;
    case c10d::OpType::_ALLGATHER_BASE:
      for (const auto& to : ranks)
        for (std::size_t r = 0; r < ranks.size(); ++r)
          copy(to->output.subspan(r * first.input.size(), first.input.size()), ranks[r]->input);
      break;
    case c10d::OpType::_REDUCE_SCATTER_BASE:
      for (std::size_t r = 0; r < ranks.size(); ++r) reduce(r * first.output.size(), ranks[r]->output);
      break;
    case c10d::OpType::ALLTOALL_BASE:
      for (std::size_t from = 0; from < ranks.size(); ++from)
        for (std::size_t to = 0; to < ranks.size(); ++to) {
          const auto sent = ranks[from]->send_parts[to], expected = ranks[to]->receive_parts[from];
          if (sent.size() != expected.size())
            throw InternalError(fmt::format("rank {} sends {} bytes to rank {}, which expects {}", from, sent.size(), to, expected.size()),
                                "all_to_all", "");
          copy(expected, sent);
        }
      break;
    default: break;  // a barrier is done when all have come
  }
}

}  // namespace

class ThreadGroup {
 public:
  explicit ThreadGroup(int ranks) : ranks_(ranks) {}

  c10::intrusive_ptr<c10d::Work> join(std::uint64_t sequence_number, int rank, Contribution contribution) {
    const std::lock_guard lock(mutex_);
    const WorkPtr work = contribution.work;
    if (failure_) {
      work->complete(failure_);
      return work;
    }
    auto& contributions = collectives_[sequence_number];
    contributions.resize(ranks_);
    contributions[rank] = std::move(contribution);
    for (const auto& other : contributions)
      if (!other) return work;
    std::exception_ptr failure;
    try {
      perform(contributions);
    } catch (...) {
      failure = std::current_exception();
    }
    for (const auto& other : contributions) other->work->complete(failure);
    collectives_.erase(sequence_number);
    return work;
  }

  // The message is copied, so a send completes at once.
  c10::intrusive_ptr<c10d::Work> send(const at::Tensor& tensor, int from, int to, int tag) {
    const std::lock_guard lock(mutex_);
    auto work = c10::make_intrusive<ThreadWork>(from, c10d::OpType::SEND, std::vector<at::Tensor>{tensor});
    if (!failure_) {
      Channel& channel = channels_[{from, to, tag}];
      channel.messages.push_back(tensor.clone());
      channel.deliver();
    }
    work->complete(failure_);
    return work;
  }

  c10::intrusive_ptr<c10d::Work> receive(const at::Tensor& tensor, int from, int to, int tag) {
    const std::lock_guard lock(mutex_);
    auto work = c10::make_intrusive<ThreadWork>(to, c10d::OpType::RECV, std::vector<at::Tensor>{tensor}, from);
    if (failure_) {
      work->complete(failure_);
    } else {
      Channel& channel = channels_[{from, to, tag}];
      channel.receivers.push_back({tensor, work});
      channel.deliver();
    }
    return work;
  }

  void fail(const std::string& reason) {
    const std::lock_guard lock(mutex_);
    if (failure_) return;
    failure_ = std::make_exception_ptr(InternalError(reason, "thread ranks", ""));
    for (auto& [sequence_number, contributions] : collectives_)
      for (auto& contribution : contributions)
        if (contribution) contribution->work->complete(failure_);
    collectives_.clear();
    for (auto& [key, channel] : channels_)
      for (auto& receiver : channel.receivers) receiver.work->complete(failure_);
    channels_.clear();
  }

 private:
  struct Receiver {
    at::Tensor tensor;
    WorkPtr work;
  };
  struct Channel {
    std::deque<at::Tensor> messages;
    std::deque<Receiver> receivers;

    void deliver() {
      while (!messages.empty() && !receivers.empty()) {
        const at::Tensor message = messages.front();
        const Receiver receiver = receivers.front();
        messages.pop_front();
        receivers.pop_front();
        std::exception_ptr failure;
        if (message.scalar_type() != receiver.tensor.scalar_type() || message.numel() != receiver.tensor.numel())
          failure = std::make_exception_ptr(
              InternalError(describe(message) + " was sent, " + describe(receiver.tensor) + " expected", "recv", ""));
        else if (message.nbytes() > 0)
          std::memcpy(receiver.tensor.data_ptr(), message.data_ptr(), message.nbytes());
        receiver.work->complete(failure);
      }
    }
  };

  int ranks_;
  std::mutex mutex_;
  std::exception_ptr failure_;
  std::map<std::uint64_t, std::vector<std::optional<Contribution>>> collectives_;  // unfinished, by sequence number
  std::map<std::tuple<int, int, int>, Channel> channels_;                          // by from, to, tag
};

ThreadBackend::ThreadBackend(std::shared_ptr<ThreadGroup> group, int rank, int size)
    : Backend(rank, size), group_(std::move(group)) {}
ThreadBackend::~ThreadBackend() = default;

void ThreadBackend::fail(const std::string& reason) { group_->fail(reason); }

c10::intrusive_ptr<c10d::Work> ThreadBackend::allreduce(std::vector<at::Tensor>& tensors, const c10d::AllreduceOptions& opts) {
  const at::Tensor& tensor = only_tensor(tensors, "allreduce");
  const auto bytes = tensor_bytes(tensor, "allreduce");
  const Reduction reduction = supported_reduction(opts.reduceOp, tensor.scalar_type(), "allreduce");
  return group_->join(collectives_++, rank_,
                      {c10d::OpType::ALLREDUCE, static_cast<int>(reduction), tensor.scalar_type(), bytes, bytes,
                       c10::make_intrusive<ThreadWork>(rank_, c10d::OpType::ALLREDUCE, tensors)});
}

c10::intrusive_ptr<c10d::Work> ThreadBackend::broadcast(std::vector<at::Tensor>& tensors, const c10d::BroadcastOptions& opts) {
  const at::Tensor& tensor = only_tensor(tensors, "broadcast");
  const auto bytes = tensor_bytes(tensor, "broadcast");
  const int root = static_cast<int>(opts.rootRank);
  expect_rank(root, size_, "broadcast");
  return group_->join(collectives_++, rank_,
                      {c10d::OpType::BROADCAST, root, tensor.scalar_type(), bytes, bytes,
                       c10::make_intrusive<ThreadWork>(rank_, c10d::OpType::BROADCAST, tensors)});
}

c10::intrusive_ptr<c10d::Work> ThreadBackend::_allgather_base(at::Tensor& output, at::Tensor& input, const c10d::AllgatherOptions&) {
  const auto to = tensor_bytes(output, "allgather");
  const auto from = tensor_bytes(input, "allgather");
  expect_parts(output, input, size_, "allgather");
  return group_->join(collectives_++, rank_,
                      {c10d::OpType::_ALLGATHER_BASE, 0, input.scalar_type(), from, to,
                       c10::make_intrusive<ThreadWork>(rank_, c10d::OpType::_ALLGATHER_BASE, std::vector<at::Tensor>{output, input})});
}

c10::intrusive_ptr<c10d::Work> ThreadBackend::_reduce_scatter_base(at::Tensor& output, at::Tensor& input,
                                                                   const c10d::ReduceScatterOptions& opts) {
  const auto to = tensor_bytes(output, "reduce_scatter");
  const auto from = tensor_bytes(input, "reduce_scatter");
  expect_parts(input, output, size_, "reduce_scatter");
  const Reduction reduction = supported_reduction(opts.reduceOp, input.scalar_type(), "reduce_scatter");
  return group_->join(collectives_++, rank_,
                      {c10d::OpType::_REDUCE_SCATTER_BASE, static_cast<int>(reduction), input.scalar_type(), from, to,
                       c10::make_intrusive<ThreadWork>(rank_, c10d::OpType::_REDUCE_SCATTER_BASE, std::vector<at::Tensor>{output, input})});
}

c10::intrusive_ptr<c10d::Work> ThreadBackend::alltoall_base(at::Tensor& output, at::Tensor& input,
                                                            std::vector<std::int64_t>& receive_rows,
                                                            std::vector<std::int64_t>& send_rows, const c10d::AllToAllOptions&) {
  expect_exchange(output, input, receive_rows, send_rows, rank_, size_);
  return group_->join(collectives_++, rank_,
                      {c10d::OpType::ALLTOALL_BASE, 0, input.scalar_type(), {}, {},
                       c10::make_intrusive<ThreadWork>(rank_, c10d::OpType::ALLTOALL_BASE, std::vector<at::Tensor>{output, input}),
                       row_parts(output, receive_rows, "all_to_all"), row_parts(input, send_rows, "all_to_all")});
}

c10::intrusive_ptr<c10d::Work> ThreadBackend::barrier(const c10d::BarrierOptions&) {
  return group_->join(collectives_++, rank_,
                      {c10d::OpType::BARRIER, 0, at::kByte, {}, {},
                       c10::make_intrusive<ThreadWork>(rank_, c10d::OpType::BARRIER, std::vector<at::Tensor>{})});
}

c10::intrusive_ptr<c10d::Work> ThreadBackend::send(std::vector<at::Tensor>& tensors, int to, int tag) {
  const at::Tensor& tensor = only_tensor(tensors, "send");
  tensor_bytes(tensor, "send");
  expect_rank(to, size_, "send");
  return group_->send(tensor, rank_, to, tag);
}

c10::intrusive_ptr<c10d::Work> ThreadBackend::recv(std::vector<at::Tensor>& tensors, int from, int tag) {
  const at::Tensor& tensor = only_tensor(tensors, "recv");
  tensor_bytes(tensor, "recv");
  expect_rank(from, size_, "recv");
  return group_->receive(tensor, from, rank_, tag);
}

std::vector<c10::intrusive_ptr<ThreadBackend>> make_thread_backends(int ranks) {
  const auto group = std::make_shared<ThreadGroup>(ranks);
  std::vector<c10::intrusive_ptr<ThreadBackend>> backends;
  for (int rank = 0; rank < ranks; ++rank) backends.push_back(c10::make_intrusive<ThreadBackend>(group, rank, ranks));
  return backends;
}

}  // namespace trellis
