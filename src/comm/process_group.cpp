#include "comm/process_group.h"

#include <fmt/format.h>

#include <utility>

#include "base/errors.h"
#include "base/time_span.h"
#include "comm/cuda_module.h"
#include "comm/mpi_backend.h"
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

}  // namespace

Pending::Pending(c10::intrusive_ptr<c10d::Work> work, std::string name, Watchdog* watchdog)
    : work_(std::move(work)), name_(std::move(name)), watchdog_(watchdog) {}

void Pending::wait() {
  if (!work_) return;
  const TimeSpan timed("wait for tensors");
  const Watchdog::Guard guard(watchdog_, name_);
  const auto work = std::exchange(work_, {});
  work->wait();
}

bool Pending::finished() { return !work_ || work_->isCompleted(); }

ProcessGroup::ProcessGroup(BackendPtr backend, std::string name, Watchdog* watchdog)
    : backend_(std::move(backend)), name_(std::move(name)), watchdog_(watchdog) {}

Pending ProcessGroup::pending(c10::intrusive_ptr<c10d::Work> work, const char* operation, const at::Tensor& tensor) const {
  return {std::move(work), fmt::format("{} of {} in group {}", operation, describe(tensor), name_), watchdog_};
}

// The blocking forms run inside a guard from the start, because MpiBackend executes them in the call.
void ProcessGroup::all_reduce(const at::Tensor& tensor, Reduction reduction) const {
  const Watchdog::Guard guard(watchdog_, fmt::format("all_reduce of {} in group {}", describe(tensor), name_));
  std::vector<at::Tensor> tensors{tensor};
  c10d::AllreduceOptions options;
  options.reduceOp = reduce_op(reduction);
  options.asyncOp = false;
  backend_->allreduce(tensors, options)->wait();
}

void ProcessGroup::broadcast(const at::Tensor& tensor, int root) const {
  const Watchdog::Guard guard(watchdog_, fmt::format("broadcast of {} in group {}", describe(tensor), name_));
  std::vector<at::Tensor> tensors{tensor};
  c10d::BroadcastOptions options;
  options.rootRank = root;
  options.asyncOp = false;
  backend_->broadcast(tensors, options)->wait();
}

void ProcessGroup::all_gather(const at::Tensor& output, const at::Tensor& input) const {
  const Watchdog::Guard guard(watchdog_, fmt::format("all_gather of {} in group {}", describe(input), name_));
  at::Tensor to = output, from = input;
  c10d::AllgatherOptions options;
  options.asyncOp = false;
  backend_->_allgather_base(to, from, options)->wait();
}

void ProcessGroup::reduce_scatter(const at::Tensor& output, const at::Tensor& input, Reduction reduction) const {
  const Watchdog::Guard guard(watchdog_, fmt::format("reduce_scatter of {} in group {}", describe(input), name_));
  at::Tensor to = output, from = input;
  c10d::ReduceScatterOptions options;
  options.reduceOp = reduce_op(reduction);
  options.asyncOp = false;
  backend_->_reduce_scatter_base(to, from, options)->wait();
}

void ProcessGroup::all_to_all(const at::Tensor& output, const at::Tensor& input, std::vector<std::int64_t> receive_rows,
                              std::vector<std::int64_t> send_rows) const {
  const Watchdog::Guard guard(watchdog_, fmt::format("all_to_all of {} in group {}", describe(input), name_));
  expect_exchange(output, input, receive_rows, send_rows, rank(), size());
  at::Tensor to = output, from = input;
  c10d::AllToAllOptions options;
  options.asyncOp = false;
  backend_->alltoall_base(to, from, receive_rows, send_rows, options)->wait();
}

void ProcessGroup::barrier() const {
  const Watchdog::Guard guard(watchdog_, fmt::format("barrier in group {}", name_));
  c10d::BarrierOptions options;
  options.asyncOp = false;
  backend_->barrier(options)->wait();
}

Pending ProcessGroup::start_all_reduce(const at::Tensor& tensor, Reduction reduction) const {
  std::vector<at::Tensor> tensors{tensor};
  c10d::AllreduceOptions options;
  options.reduceOp = reduce_op(reduction);
  return pending(backend_->allreduce(tensors, options), "all_reduce", tensor);
}

Pending ProcessGroup::start_broadcast(const at::Tensor& tensor, int root) const {
  std::vector<at::Tensor> tensors{tensor};
  c10d::BroadcastOptions options;
  options.rootRank = root;
  return pending(backend_->broadcast(tensors, options), "broadcast", tensor);
}

Pending ProcessGroup::start_all_gather(const at::Tensor& output, const at::Tensor& input) const {
  at::Tensor to = output, from = input;
  return pending(backend_->_allgather_base(to, from), "all_gather", input);
}

Pending ProcessGroup::start_reduce_scatter(const at::Tensor& output, const at::Tensor& input, Reduction reduction) const {
  at::Tensor to = output, from = input;
  c10d::ReduceScatterOptions options;
  options.reduceOp = reduce_op(reduction);
  return pending(backend_->_reduce_scatter_base(to, from, options), "reduce_scatter", input);
}

Pending ProcessGroup::start_all_to_all(const at::Tensor& output, const at::Tensor& input, std::vector<std::int64_t> receive_rows,
                                       std::vector<std::int64_t> send_rows) const {
  expect_exchange(output, input, receive_rows, send_rows, rank(), size());
  at::Tensor to = output, from = input;
  return pending(backend_->alltoall_base(to, from, receive_rows, send_rows), "all_to_all", input);
}

Pending ProcessGroup::start_send(const at::Tensor& tensor, int to, int tag) const {
  std::vector<at::Tensor> tensors{tensor};
  return pending(backend_->send(tensors, to, tag), "send", tensor);
}

Pending ProcessGroup::start_receive(const at::Tensor& tensor, int from, int tag) const {
  std::vector<at::Tensor> tensors{tensor};
  return pending(backend_->recv(tensors, from, tag), "receive", tensor);
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
