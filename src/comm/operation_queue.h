// Runs operations one at a time in the order of the calls: by a thread of its own, or by the caller once what is queued
// before has ended. The thread starts at first need.
#pragma once

#include <torch/csrc/distributed/c10d/Work.hpp>

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace trellis {

class OperationQueue {
 public:
  explicit OperationQueue(int rank) : rank_(rank) {}
  // Runs what is still queued.
  ~OperationQueue();

  // An operation that throws fails its own Work and every later one, which is then not run.
  using Operation = std::function<void()>;
  // `tensors` are kept alive until the operation has ended.
  c10::intrusive_ptr<c10d::Work> enqueue(c10d::OpType type, std::vector<at::Tensor> tensors, Operation operation);
  c10::intrusive_ptr<c10d::Work> run_now(c10d::OpType type, std::vector<at::Tensor> tensors, Operation operation);

 private:
  class QueuedWork final : public c10d::Work {
   public:
    QueuedWork(int rank, c10d::OpType type, std::uint64_t sequence_number, std::vector<at::Tensor> tensors, Operation operation)
        : Work(rank, type), sequence_number_(sequence_number), tensors_(std::move(tensors)), operation_(std::move(operation)) {}
    std::vector<at::Tensor> result() override { return tensors_; }
    std::uint64_t getSequencenumber() const override { return sequence_number_; }

   private:
    friend class OperationQueue;
    std::uint64_t sequence_number_;
    std::vector<at::Tensor> tensors_;
    Operation operation_;
  };
  void execute(QueuedWork& work);
  void serve(const std::stop_token& stop);

  int rank_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::deque<c10::intrusive_ptr<QueuedWork>> waiting_;
  bool busy_ = false;            // someone is executing
  std::exception_ptr failure_;   // the first one
  std::uint64_t operations_ = 0;
  std::jthread thread_;
};

}  // namespace trellis
