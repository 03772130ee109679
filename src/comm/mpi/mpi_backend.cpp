#include "comm/mpi/mpi_backend.h"

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
  MessageWork(int rank, c10d::OpType type, std::vector<at::Tensor> tensors, Messages messages, int source,
              std::function<Patience(std::chrono::milliseconds)> patience)
      : Work(rank, type), tensors_(std::move(tensors)), messages_(std::move(messages)), source_(source), patience_(std::move(patience)) {}

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
    try {
      done_ = messages_.test();
    } catch (...) {
      done_ = true;
      finish(std::current_exception());
      return true;
    }
    if (done_) finish();
    return done_;
  }

  std::mutex requests_mutex_;
  std::vector<at::Tensor> tensors_;
  Messages messages_;
  int source_;
  std::function<Patience(std::chrono::milliseconds)> patience_;
  bool done_ = false;
};

CollectiveSignature signature(Operation operation, const at::Tensor& brought, int argument = 0) {
  return {operation, static_cast<std::int64_t>(brought.nbytes()), brought.scalar_type(), argument};
}

}  // namespace

MpiBackend::MpiBackend(const Communicator& communicator) : MpiBackend(communicator, Options()) {}

MpiBackend::MpiBackend(const Communicator& communicator, const Options& options)
    : Backend(communicator.rank(), communicator.size()),
      options_(options),
      timeout_(options.timeout),
      exceptions_at_start_(std::uncaught_exceptions()),
      collectives_(communicator.duplicate()),
      point_to_point_(communicator.duplicate()),
      look_([this] { expect_same_collective(); }),
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
  const auto limit = timeout > std::chrono::milliseconds(0) ? timeout : timeout_.load();
  return {std::chrono::steady_clock::now() + limit, background ? kBackgroundSpin : kCallerSpin,
          fmt::format("{} on rank {} of {}", c10d::opTypeToString(type), rank_, size_), &cancelled_, nullptr};
}

c10::intrusive_ptr<c10d::Work> MpiBackend::run(c10d::OpType type, bool async, std::chrono::milliseconds timeout,
                                               std::vector<at::Tensor> tensors, const CollectiveSignature& signature, Task task) {
  const auto operation = [this, type, async, timeout, signature, task = std::move(task)] {
    exchange_.next(signature);
    Patience limits = patience(type, async, timeout);
    limits.look = &look_;
    task(limits);
  };
  return async ? queue_.enqueue(type, std::move(tensors), operation) : queue_.run_now(type, std::move(tensors), operation);
}

void MpiBackend::expect_same_collective() const {
  exchange_.expect_same_collective();
  const CollectiveTags& current = exchange_.current();
  if (!shared_memory_ || current.signature().operation == Operation::all_reduce) return;
  for (int other = 0; other < size_; ++other) {
    if (shared_memory_->last_collective(other) != current.number()) continue;
    throw InternalError(fmt::format("collective {} of this group is {} on rank {}, but on rank {} it is all_reduce", current.number(),
                                    current.signature().text(), rank_, other),
                        "communication", "all ranks must communicate in the same order");
  }
}

c10::intrusive_ptr<c10d::Work> MpiBackend::allreduce(std::vector<at::Tensor>& tensors, const c10d::AllreduceOptions& opts) {
  const at::Tensor& tensor = only_tensor(tensors, "allreduce");
  const auto bytes = tensor_bytes(tensor, "allreduce");
  const at::ScalarType dtype = tensor.scalar_type();
  const Reduction reduction = supported_reduction(opts.reduceOp, dtype, "allreduce");
  return run(c10d::OpType::ALLREDUCE, opts.asyncOp, opts.timeout, tensors,
             signature(Operation::all_reduce, tensor, static_cast<int>(reduction)), [=, this](const Patience& patience) {
               if (size_ == 1) return;
               if (shared_memory_)
                 shared_memory_->all_reduce(bytes, dtype, reduction, exchange_.current().number(), patience);
               else
                 exchange_.all_reduce(bytes, dtype, reduction, patience);
             });
}

c10::intrusive_ptr<c10d::Work> MpiBackend::broadcast(std::vector<at::Tensor>& tensors, const c10d::BroadcastOptions& opts) {
  const at::Tensor& tensor = only_tensor(tensors, "broadcast");
  const auto bytes = tensor_bytes(tensor, "broadcast");
  const int root = static_cast<int>(opts.rootRank);
  expect_rank(root, size_, "broadcast");
  return run(c10d::OpType::BROADCAST, opts.asyncOp, opts.timeout, tensors, signature(Operation::broadcast, tensor, root),
             [=, this](const Patience& patience) { exchange_.broadcast(bytes, root, patience); });
}

c10::intrusive_ptr<c10d::Work> MpiBackend::_allgather_base(at::Tensor& output, at::Tensor& input,
                                                           const c10d::AllgatherOptions& opts) {
  const auto to = tensor_bytes(output, "allgather");
  const auto from = tensor_bytes(input, "allgather");
  expect_parts(output, input, size_, "allgather");
  return run(c10d::OpType::_ALLGATHER_BASE, opts.asyncOp, opts.timeout, {output, input}, signature(Operation::all_gather, input),
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
             signature(Operation::reduce_scatter, input, static_cast<int>(reduction)),
             [=, this](const Patience& patience) { exchange_.reduce_scatter(to, from, dtype, reduction, patience); });
}

c10::intrusive_ptr<c10d::Work> MpiBackend::alltoall_base(at::Tensor& output, at::Tensor& input,
                                                         std::vector<std::int64_t>& receive_rows,
                                                         std::vector<std::int64_t>& send_rows, const c10d::AllToAllOptions& opts) {
  expect_exchange(output, input, receive_rows, send_rows, rank_, size_);
  auto to = row_parts(output, receive_rows, "all_to_all");
  auto from = row_parts(input, send_rows, "all_to_all");
  // of what differs between ranks, only the row is compared
  const std::int64_t row_bytes = c10::multiply_integers(input.sizes().slice(1)) * static_cast<std::int64_t>(input.element_size());
  const CollectiveSignature rows = {Operation::all_to_all, row_bytes, input.scalar_type(), 0};
  return run(c10d::OpType::ALLTOALL_BASE, opts.asyncOp, opts.timeout, {output, input}, rows,
             [to = std::move(to), from = std::move(from), this](const Patience& patience) { exchange_.all_to_all(to, from, patience); });
}

c10::intrusive_ptr<c10d::Work> MpiBackend::barrier(const c10d::BarrierOptions& opts) {
  return run(c10d::OpType::BARRIER, opts.asyncOp, opts.timeout, {}, {Operation::barrier, 0, at::kByte, 0},
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
  Messages messages({point_to_point_.get(), options_.largest_message_bytes, &sent_point_to_point_});
  if (sending)
    messages.send(bytes, peer, tag);
  else
    messages.receive(bytes, peer, tag);
  const int source = sending ? -1 : peer;
  return c10::make_intrusive<MessageWork>(rank_, type, tensors, std::move(messages), source,
                                          [this, type](std::chrono::milliseconds timeout) { return patience(type, false, timeout); });
}

}  // namespace trellis
