#include "comm/mpi_backend.h"

#include <fmt/format.h>

#include <exception>
#include <utility>

#include "base/errors.h"
#include "comm/tensor_checks.h"
#include "mpi/check.h"

namespace trellis {
namespace {

constexpr std::chrono::milliseconds kCallerSpin{2};
constexpr std::chrono::microseconds kBackgroundSpin{50};

// A message of send or recv. MPI makes progress while someone looks.
class MessageWork final : public c10d::Work {
 public:
  MessageWork(int rank, c10d::OpType type, std::vector<at::Tensor> tensors, std::vector<MPI_Request> requests, int source,
              std::function<Patience(std::chrono::milliseconds)> patience)
      : Work(rank, type), tensors_(std::move(tensors)), requests_(std::move(requests)), source_(source), patience_(std::move(patience)) {}

  // MPI may still use the memory of a message that nobody waited for, so that memory is never freed.
  ~MessageWork() override {
    if (!done_) new std::vector<at::Tensor>(std::move(tensors_));
  }
  bool isCompleted() override {
    const std::lock_guard lock(requests_mutex_);
    return test();
  }
  bool isSuccess() const override {
    const std::lock_guard lock(mutex_);
    return completed_ && !exception_;
  }
  bool wait(std::chrono::milliseconds timeout) override {
    const std::lock_guard lock(requests_mutex_);
    try {
      poll_until([&] { return test(); }, patience_(timeout));
    } catch (const TimeoutError&) {
      finish(std::current_exception());
      throw;
    }
    const std::lock_guard state(mutex_);
    if (exception_) std::rethrow_exception(exception_);
    return true;
  }
  std::vector<at::Tensor> result() override { return tensors_; }
  int sourceRank() const override { return source_; }

 private:
  bool test() {
    if (done_) return true;
    int all = 0;
    try {
      check_mpi(MPI_Testall(static_cast<int>(requests_.size()), requests_.data(), &all, MPI_STATUSES_IGNORE), "MPI_Testall");
    } catch (...) {
      done_ = true;
      finish(std::current_exception());
      return true;
    }
    if (all) {
      done_ = true;
      finish();
    }
    return done_;
  }

  std::mutex requests_mutex_;
  std::vector<at::Tensor> tensors_;
  std::vector<MPI_Request> requests_;
  int source_;
  std::function<Patience(std::chrono::milliseconds)> patience_;
  bool done_ = false;
};

}  // namespace

MpiBackend::MpiBackend(const Communicator& communicator) : MpiBackend(communicator, Options()) {}

MpiBackend::MpiBackend(const Communicator& communicator, const Options& options)
    : Backend(communicator.rank(), communicator.size()),
      options_(options),
      exceptions_at_start_(std::uncaught_exceptions()),
      collectives_(communicator.duplicate()),
      point_to_point_(communicator.duplicate()),
      exchange_(collectives_, options.largest_message_bytes),
      queue_(communicator.rank()) {
  int level = MPI_THREAD_SINGLE;
  check_mpi(MPI_Query_thread(&level), "MPI_Query_thread");
  require(level == MPI_THREAD_MULTIPLE, "MpiBackend needs MPI_THREAD_MULTIPLE");
  if (options_.path == Path::automatic && size_ > 1) shared_memory_ = SharedMemoryReducer::create(collectives_);
}

MpiBackend::~MpiBackend() {
  if (std::uncaught_exceptions() > exceptions_at_start_) cancelled_ = true;
}

Patience MpiBackend::patience(c10d::OpType type, bool background, std::chrono::milliseconds timeout) const {
  const auto limit = timeout > std::chrono::milliseconds(0) ? timeout : options_.timeout;
  return {std::chrono::steady_clock::now() + limit, background ? kBackgroundSpin : kCallerSpin,
          fmt::format("{} on rank {} of {}", c10d::opTypeToString(type), rank_, size_), &cancelled_};
}

c10::intrusive_ptr<c10d::Work> MpiBackend::run(c10d::OpType type, bool async, std::chrono::milliseconds timeout,
                                               std::vector<at::Tensor> tensors, Operation operation) {
  const auto task = [this, type, async, timeout, operation = std::move(operation)] { operation(patience(type, async, timeout)); };
  return async ? queue_.enqueue(type, std::move(tensors), task) : queue_.run_now(type, std::move(tensors), task);
}

c10::intrusive_ptr<c10d::Work> MpiBackend::allreduce(std::vector<at::Tensor>& tensors, const c10d::AllreduceOptions& opts) {
  const at::Tensor& tensor = only_tensor(tensors, "allreduce");
  const auto bytes = tensor_bytes(tensor, "allreduce");
  const at::ScalarType dtype = tensor.scalar_type();
  const Reduction reduction = supported_reduction(opts.reduceOp, dtype, "allreduce");
  return run(c10d::OpType::ALLREDUCE, opts.asyncOp, opts.timeout, tensors, [=, this](const Patience& patience) {
    if (size_ == 1) return;
    if (shared_memory_)
      shared_memory_->all_reduce(bytes, dtype, reduction, patience);
    else
      exchange_.all_reduce(bytes, dtype, reduction, patience);
  });
}

c10::intrusive_ptr<c10d::Work> MpiBackend::broadcast(std::vector<at::Tensor>& tensors, const c10d::BroadcastOptions& opts) {
  const auto bytes = tensor_bytes(only_tensor(tensors, "broadcast"), "broadcast");
  const int root = static_cast<int>(opts.rootRank);
  expect_rank(root, size_, "broadcast");
  return run(c10d::OpType::BROADCAST, opts.asyncOp, opts.timeout, tensors,
             [=, this](const Patience& patience) { exchange_.broadcast(bytes, root, patience); });
}

c10::intrusive_ptr<c10d::Work> MpiBackend::_allgather_base(at::Tensor& output, at::Tensor& input,
                                                           const c10d::AllgatherOptions& opts) {
  const auto to = tensor_bytes(output, "allgather");
  const auto from = tensor_bytes(input, "allgather");
  expect_parts(output, input, size_, "allgather");
  return run(c10d::OpType::_ALLGATHER_BASE, opts.asyncOp, opts.timeout, {output, input},
             [=, this](const Patience& patience) { exchange_.all_gather(to, from, patience); });
}

c10::intrusive_ptr<c10d::Work> MpiBackend::_reduce_scatter_base(at::Tensor& output, at::Tensor& input,
                                                                const c10d::ReduceScatterOptions& opts) {
  const auto to = tensor_bytes(output, "reduce_scatter");
  const auto from = tensor_bytes(input, "reduce_scatter");
  expect_parts(input, output, size_, "reduce_scatter");
  const at::ScalarType dtype = input.scalar_type();
  const Reduction reduction = supported_reduction(opts.reduceOp, dtype, "reduce_scatter");
  return run(c10d::OpType::_REDUCE_SCATTER_BASE, opts.asyncOp, opts.timeout, {output, input},
             [=, this](const Patience& patience) { exchange_.reduce_scatter(to, from, dtype, reduction, patience); });
}

c10::intrusive_ptr<c10d::Work> MpiBackend::alltoall_base(at::Tensor& output, at::Tensor& input,
                                                         std::vector<std::int64_t>& receive_rows,
                                                         std::vector<std::int64_t>& send_rows, const c10d::AllToAllOptions& opts) {
  expect_exchange(output, input, receive_rows, send_rows, rank_, size_);
  auto to = row_parts(output, receive_rows, "all_to_all");
  auto from = row_parts(input, send_rows, "all_to_all");
  return run(c10d::OpType::ALLTOALL_BASE, opts.asyncOp, opts.timeout, {output, input},
             [to = std::move(to), from = std::move(from), this](const Patience& patience) { exchange_.all_to_all(to, from, patience); });
}

c10::intrusive_ptr<c10d::Work> MpiBackend::barrier(const c10d::BarrierOptions& opts) {
  return run(c10d::OpType::BARRIER, opts.asyncOp, opts.timeout, {},
             [this](const Patience& patience) { exchange_.barrier(patience); });
}

c10::intrusive_ptr<c10d::Work> MpiBackend::send(std::vector<at::Tensor>& tensors, int to, int tag) {
  return point_to_point(c10d::OpType::SEND, tensors, to, tag);
}

c10::intrusive_ptr<c10d::Work> MpiBackend::recv(std::vector<at::Tensor>& tensors, int from, int tag) {
  return point_to_point(c10d::OpType::RECV, tensors, from, tag);
}

c10::intrusive_ptr<c10d::Work> MpiBackend::point_to_point(c10d::OpType type, std::vector<at::Tensor>& tensors, int peer, int tag) {
  const bool sending = type == c10d::OpType::SEND;
  const char* name = sending ? "send" : "recv";
  const auto bytes = tensor_bytes(only_tensor(tensors, name), name);
  expect_rank(peer, size_, name);
  std::vector<MPI_Request> requests;
  if (sending)
    MessageExchange::post_send(bytes, peer, tag, point_to_point_.get(), options_.largest_message_bytes, requests);
  else
    MessageExchange::post_receive(bytes, peer, tag, point_to_point_.get(), options_.largest_message_bytes, requests);
  const int source = sending ? -1 : peer;
  return c10::make_intrusive<MessageWork>(rank_, type, tensors, std::move(requests), source,
                                          [this, type](std::chrono::milliseconds timeout) { return patience(type, false, timeout); });
}

}  // namespace trellis
