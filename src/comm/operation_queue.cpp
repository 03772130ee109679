#include "comm/operation_queue.h"

#include <utility>

#include "base/time_span.h"

namespace trellis {
namespace {

StaticName name_of(c10d::OpType type) {
  switch (type) {
    case c10d::OpType::ALLREDUCE: return "all-reduce";
    case c10d::OpType::BROADCAST: return "broadcast";
    case c10d::OpType::REDUCE_SCATTER:
    case c10d::OpType::_REDUCE_SCATTER_BASE: return "reduce-scatter";
    case c10d::OpType::ALLGATHER:
    case c10d::OpType::_ALLGATHER_BASE: return "all-gather";
    case c10d::OpType::ALLTOALL_BASE: return "all-to-all";
    case c10d::OpType::SEND: return "send";
    case c10d::OpType::RECV: return "receive";
    default: return "communication";
  }
}

std::int64_t bytes_of(const std::vector<at::Tensor>& tensors) {
  std::int64_t bytes = 0;
  for (const at::Tensor& tensor : tensors) bytes += static_cast<std::int64_t>(tensor.nbytes());
  return bytes;
}

}  // namespace

OperationQueue::~OperationQueue() {
  thread_.request_stop();
  if (thread_.joinable()) thread_.join();
}

void OperationQueue::execute(QueuedWork& work) {
  std::exception_ptr failure;
  {
    const std::lock_guard lock(mutex_);
    failure = failure_;
  }
  if (!failure) {
    try {
      work.operation_();
    } catch (...) {
      failure = std::current_exception();
    }
  }
  work.operation_ = nullptr;
  {
    const std::lock_guard lock(mutex_);
    busy_ = false;
    failure_ = failure;
  }
  changed_.notify_all();
  work.finish(failure);
}

c10::intrusive_ptr<c10d::Work> OperationQueue::enqueue(c10d::OpType type, std::vector<at::Tensor> tensors,
                                                       Operation operation) {
  const std::lock_guard lock(mutex_);
  auto work = c10::make_intrusive<QueuedWork>(rank_, type, ++operations_, std::move(tensors), std::move(operation));
  waiting_.push_back(work);
  if (!thread_.joinable()) thread_ = std::jthread([this](const std::stop_token& stop) { serve(stop); });
  changed_.notify_all();
  return work;
}

c10::intrusive_ptr<c10d::Work> OperationQueue::run_now(c10d::OpType type, std::vector<at::Tensor> tensors,
                                                       Operation operation) {
  c10::intrusive_ptr<QueuedWork> work;
  {
    std::unique_lock lock(mutex_);
    work = c10::make_intrusive<QueuedWork>(rank_, type, ++operations_, std::move(tensors), std::move(operation));
    changed_.wait(lock, [&] { return waiting_.empty() && !busy_; });
    busy_ = true;
  }
  execute(*work);
  return work;
}

void OperationQueue::serve(const std::stop_token& stop) {
  name_this_thread("communication");
  for (;;) {
    c10::intrusive_ptr<QueuedWork> work;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, stop, [&] { return !waiting_.empty() && !busy_; });
      if (waiting_.empty()) return;  // asked to stop, and nothing left
      work = std::move(waiting_.front());
      waiting_.pop_front();
      busy_ = true;
    }
    const TimeSpan timed(name_of(work->retrieveOpType()), {.bytes = bytes_of(work->tensors_)});
    execute(*work);
  }
}

}  // namespace trellis
