#include "comm/process_group.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/errors.h"
#include "base/time_span.h"
#include "comm/cuda_module.h"
#include "comm/mpi/mpi_backend.h"
#include "comm/tensor_checks.h"

namespace trellis {
namespace {

c10d::ReduceOp reduce_op(Reduction reduction) {
  switch (reduction) {
    case Reduction::sum: return c10d::ReduceOp::SUM;
    case Reduction::max: return c10d::ReduceOp::MAX;
    case Reduction::min: return c10d::ReduceOp::MIN;
  }
  return c10d::ReduceOp::UNUSED;
}

std::int64_t bytes_of(const at::Tensor& tensor) { return static_cast<std::int64_t>(tensor.nbytes()); }

// Ends an operation in the log, however its scope is left; id 0: none.
struct Logged {
  Watchdog* watchdog;
  std::uint64_t id;
  ~Logged() {
    if (watchdog && id != 0) watchdog->log().end(id);
  }
};

}  // namespace

Pending::Pending(c10::intrusive_ptr<c10d::Work> work, std::uint64_t operation, Watchdog* watchdog)
    : work_(std::move(work)), operation_(operation), watchdog_(watchdog) {}

void Pending::wait() {
  if (!work_) return;
  const TimeSpan timed("wait for tensors");
  const Watchdog::Guard guard(watchdog_, operation_);
  const auto work = std::exchange(work_, {});
  work->wait();
  if (watchdog_) watchdog_->log().end(operation_);
}

bool Pending::finished() {
  const bool done = !work_ || work_->isCompleted();
  if (done && watchdog_) watchdog_->log().end(operation_);
  return done;
}

ProcessGroup::ProcessGroup(BackendPtr backend, std::string name, Watchdog* watchdog, std::vector<int> members)
    : backend_(std::move(backend)), name_(std::move(name)), watchdog_(watchdog), state_(std::make_shared<State>(backend_)) {
  if (!watchdog_) return;
  if (members.empty()) {
    for (int rank = 0; rank < size(); ++rank) members.push_back(rank);
  }
  state_->log_group = watchdog_->log().add_group(name_, std::move(members));
}

void ProcessGroup::set_timeout(std::chrono::milliseconds timeout) const {
  if (!watchdog_) return;
  watchdog_->set_timeout(timeout);
  backend_->setTimeout(backend_timeout(watchdog_));
}

std::uint64_t ProcessGroup::log(Operation operation, const at::Tensor& tensor, int peer, int tag) const {
  if (!watchdog_) return 0;
  OperationRecord record{.group = state_->log_group, .operation = operation, .peer = peer, .tag = tag};
  record.set_tensor(tensor);
  return watchdog_->log().begin(record);
}

// Inside a guard from the start, because MpiBackend executes the operation in the call.
template <class Start>
void ProcessGroup::run(Operation operation, const at::Tensor& tensor, int peer, Start&& start) const {
  const Logged logged{watchdog_, log(operation, tensor, peer, 0)};
  const Watchdog::Guard guard(watchdog_, logged.id);
  // NCCL gives nothing to wait for: it has queued the operation on the stream that everything else is queued on, too
  if (const auto work = start()) work->wait();
}

template <class Start>
Pending ProcessGroup::begin(Operation operation, const at::Tensor& tensor, int peer, int tag, Start&& start) const {
  Logged logged{watchdog_, log(operation, tensor, peer, tag)};
  auto work = start();
  return {std::move(work), std::exchange(logged.id, 0), watchdog_};
}

ProcessGroup::WorkPtr ProcessGroup::post_all_reduce(const at::Tensor& tensor, Reduction reduction, bool async) const {
  std::vector<at::Tensor> tensors{tensor};
  c10d::AllreduceOptions options;
  options.reduceOp = reduce_op(reduction);
  options.asyncOp = async;
  auto work = backend_->allreduce(tensors, options);
  state_->traffic.all_reduce += bytes_of(tensor) * 2 * (size() - 1) / size();
  return work;
}

ProcessGroup::WorkPtr ProcessGroup::post_broadcast(const at::Tensor& tensor, int root, bool async) const {
  std::vector<at::Tensor> tensors{tensor};
  c10d::BroadcastOptions options;
  options.rootRank = root;
  options.asyncOp = async;
  auto work = backend_->broadcast(tensors, options);
  if (rank() == root) state_->traffic.broadcast += bytes_of(tensor) * (size() - 1);
  return work;
}

ProcessGroup::WorkPtr ProcessGroup::post_all_gather(const at::Tensor& output, const at::Tensor& input, bool async) const {
  at::Tensor to = output, from = input;
  c10d::AllgatherOptions options;
  options.asyncOp = async;
  auto work = backend_->_allgather_base(to, from, options);
  state_->traffic.all_gather += bytes_of(input) * (size() - 1);
  return work;
}

ProcessGroup::WorkPtr ProcessGroup::post_reduce_scatter(const at::Tensor& output, const at::Tensor& input, Reduction reduction,
                                                        bool async) const {
  at::Tensor to = output, from = input;
  c10d::ReduceScatterOptions options;
  options.reduceOp = reduce_op(reduction);
  options.asyncOp = async;
  auto work = backend_->_reduce_scatter_base(to, from, options);
  state_->traffic.reduce_scatter += bytes_of(output) * (size() - 1);
  return work;
}

ProcessGroup::WorkPtr ProcessGroup::post_all_to_all(const at::Tensor& output, const at::Tensor& input,
                                                    std::vector<std::int64_t>& receive_rows,
                                                    std::vector<std::int64_t>& send_rows, bool async) const {
  expect_exchange(output, input, receive_rows, send_rows, rank(), size());
  at::Tensor to = output, from = input;
  c10d::AllToAllOptions options;
  options.asyncOp = async;
  auto work = backend_->alltoall_base(to, from, receive_rows, send_rows, options);
  const std::int64_t rows = input.size(0), sent = rows - send_rows[static_cast<std::size_t>(rank())];
  if (rows > 0) state_->traffic.all_to_all += bytes_of(input) / rows * sent;
  return work;
}

void ProcessGroup::all_reduce(const at::Tensor& tensor, Reduction reduction) const {
  run(Operation::all_reduce, tensor, -1, [&] { return post_all_reduce(tensor, reduction, false); });
}

void ProcessGroup::broadcast(const at::Tensor& tensor, int root) const {
  run(Operation::broadcast, tensor, root, [&] { return post_broadcast(tensor, root, false); });
}

void ProcessGroup::all_gather(const at::Tensor& output, const at::Tensor& input) const {
  run(Operation::all_gather, input, -1, [&] { return post_all_gather(output, input, false); });
}

void ProcessGroup::reduce_scatter(const at::Tensor& output, const at::Tensor& input, Reduction reduction) const {
  run(Operation::reduce_scatter, input, -1, [&] { return post_reduce_scatter(output, input, reduction, false); });
}

void ProcessGroup::all_to_all(const at::Tensor& output, const at::Tensor& input, std::vector<std::int64_t> receive_rows,
                              std::vector<std::int64_t> send_rows) const {
  run(Operation::all_to_all, input, -1, [&] { return post_all_to_all(output, input, receive_rows, send_rows, false); });
}

void ProcessGroup::barrier() const {
  c10d::BarrierOptions options;
  options.asyncOp = false;
  run(Operation::barrier, {}, -1, [&] { return backend_->barrier(options); });
}

Pending ProcessGroup::start_all_reduce(const at::Tensor& tensor, Reduction reduction) const {
  return begin(Operation::all_reduce, tensor, -1, 0, [&] { return post_all_reduce(tensor, reduction, true); });
}

Pending ProcessGroup::start_broadcast(const at::Tensor& tensor, int root) const {
  return begin(Operation::broadcast, tensor, root, 0, [&] { return post_broadcast(tensor, root, true); });
}

Pending ProcessGroup::start_all_gather(const at::Tensor& output, const at::Tensor& input) const {
  return begin(Operation::all_gather, input, -1, 0, [&] { return post_all_gather(output, input, true); });
}

Pending ProcessGroup::start_reduce_scatter(const at::Tensor& output, const at::Tensor& input, Reduction reduction) const {
  return begin(Operation::reduce_scatter, input, -1, 0, [&] { return post_reduce_scatter(output, input, reduction, true); });
}

Pending ProcessGroup::start_all_to_all(const at::Tensor& output, const at::Tensor& input, std::vector<std::int64_t> receive_rows,
                                       std::vector<std::int64_t> send_rows) const {
  return begin(Operation::all_to_all, input, -1, 0, [&] { return post_all_to_all(output, input, receive_rows, send_rows, true); });
}

Pending ProcessGroup::start_send(const at::Tensor& tensor, int to, int tag) const {
  return begin(Operation::send, tensor, to, tag, [&] {
    std::vector<at::Tensor> tensors{tensor};
    auto work = backend_->send(tensors, to, tag);
    if (to != rank()) state_->traffic.send += bytes_of(tensor);
    return work;
  });
}

Pending ProcessGroup::start_receive(const at::Tensor& tensor, int from, int tag) const {
  return begin(Operation::receive, tensor, from, tag, [&] {
    std::vector<at::Tensor> tensors{tensor};
    return backend_->recv(tensors, from, tag);
  });
}

std::chrono::milliseconds backend_timeout(const Watchdog* watchdog) {
  if (!watchdog) return BackendOptions().timeout;
  return watchdog->timeout() + std::max<std::chrono::milliseconds>(watchdog->timeout(), std::chrono::minutes(1));
}

BackendPtr make_backend(at::Device device, const Communicator& communicator, const BackendOptions& options,
                        const StorePtr& store) {
  if (device.is_cpu()) {
    MpiBackend::Options mpi;
    mpi.timeout = options.timeout;
    return c10::make_intrusive<MpiBackend>(communicator, mpi);
  }
  if (!device.is_cuda())
    throw ConfigError(fmt::format("there is no communication for device {}", device.str()), "train.device", "use cpu or cuda");
  const CudaModule& module = cuda_module();
  require(device.has_index(), "make_backend needs the index of the CUDA device");
  require(static_cast<bool>(store), "make_backend needs a store for NCCL");
  return module.make_nccl_backend(store, communicator.rank(), communicator.size(), device.index(), options.timeout,
                                  options.group_name);
}

}  // namespace trellis
