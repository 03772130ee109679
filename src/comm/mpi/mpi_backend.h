// c10d::Backend over MPI for CPU tensors.
//
// Collectives run in the order of the calls. With asyncOp = false the caller executes them itself and gets a finished Work;
// with asyncOp = true (c10d's default) one thread, started at first use, executes them while the caller computes.
// send and recv are posted at once by the caller and complete in wait() or isCompleted(); they need not be in any order
// with the collectives. Waiting first spins with sched_yield, then sleeps, so that it costs compute threads little.
//
// allreduce and reduce_scatter (sum, max, min; bool: max and min) combine in rank order whatever path the data take, so
// results are the same bits on all ranks, in every run, on one node or many. On one node allreduce goes through shared
// memory (comm/threads/shared_memory_reducer.h), else through messages (comm/mpi/message_exchange.h).
//
// dtypes of reductions: float32, float64, int64, int32, uint8, bool; everything else moves any dtype. Tensors must be
// contiguous. Ranks that do different collectives, or bring different sizes or dtypes, are told so (InternalError), most by a
// rank that waits in vain for the tenth of a second. Errors: InternalError naming operation and tensor; ExitCode::watchdog after the timeout, whereupon the
// backend is of no further use. Needs MPI_THREAD_MULTIPLE.
#pragma once

#include <torch/csrc/distributed/c10d/Backend.hpp>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "comm/mpi/message_exchange.h"
#include "comm/operation_queue.h"
#include "comm/threads/shared_memory_reducer.h"
#include "mpi/communicator.h"

namespace trellis {

class MpiBackend final : public c10d::Backend {
 public:
  enum class Path { automatic, messages };  // automatic: shared memory where all ranks are on one node

  struct Options {
    std::chrono::milliseconds timeout = kBackendDefaultTimeout;
    Path path = Path::automatic;
    std::int64_t largest_message_bytes = std::int64_t{1} << 30;  // larger ones are cut; MPI's own limit is 2^31 - 1
  };

  // Collective over the ranks of `communicator`, which is duplicated.
  explicit MpiBackend(const Communicator& communicator);
  MpiBackend(const Communicator& communicator, const Options& options);
  // Collective: finishes what is queued, then frees the communicators. While an exception unwinds it cancels instead.
  ~MpiBackend() override;

  const std::string getBackendName() const override { return "mpi"; }
  // Of operations begun from now on.
  void setTimeout(std::chrono::milliseconds timeout) override { timeout_ = timeout; }
  bool uses_shared_memory() const { return shared_memory_ != nullptr; }
  // Bytes that messages have carried from this rank to others (comm/traffic.h has the formulas).
  std::int64_t sent_bytes() const { return exchange_.sent_bytes() + sent_point_to_point_; }

  c10::intrusive_ptr<c10d::Work> allreduce(std::vector<at::Tensor>& tensors,
                                           const c10d::AllreduceOptions& opts = {}) override;
  c10::intrusive_ptr<c10d::Work> broadcast(std::vector<at::Tensor>& tensors,
                                           const c10d::BroadcastOptions& opts = {}) override;
  c10::intrusive_ptr<c10d::Work> _allgather_base(at::Tensor& output, at::Tensor& input,
                                                 const c10d::AllgatherOptions& opts = {}) override;
  c10::intrusive_ptr<c10d::Work> _reduce_scatter_base(at::Tensor& output, at::Tensor& input,
                                                      const c10d::ReduceScatterOptions& opts = {}) override;
  c10::intrusive_ptr<c10d::Work> alltoall_base(at::Tensor& output, at::Tensor& input, std::vector<std::int64_t>& receive_rows,
                                               std::vector<std::int64_t>& send_rows,
                                               const c10d::AllToAllOptions& opts = {}) override;
  c10::intrusive_ptr<c10d::Work> barrier(const c10d::BarrierOptions& opts = {}) override;
  c10::intrusive_ptr<c10d::Work> send(std::vector<at::Tensor>& tensors, int to, int tag) override;
  c10::intrusive_ptr<c10d::Work> recv(std::vector<at::Tensor>& tensors, int from, int tag) override;

 private:
  using Task = std::function<void(const Patience&)>;
  Patience patience(c10d::OpType type, bool background, std::chrono::milliseconds timeout) const;
  c10::intrusive_ptr<c10d::Work> run(c10d::OpType type, bool async, std::chrono::milliseconds timeout,
                                     std::vector<at::Tensor> tensors, const CollectiveSignature& signature, Task task);
  // Throws InternalError when another rank is seen to do another collective.
  void expect_same_collective() const;
  c10::intrusive_ptr<c10d::Work> point_to_point(c10d::OpType type, std::vector<at::Tensor>& tensors, int peer, int tag);

  Options options_;
  std::atomic<std::chrono::milliseconds> timeout_;
  int exceptions_at_start_;
  std::atomic<bool> cancelled_ = false;
  Communicator collectives_, point_to_point_;  // apart, so that their messages cannot meet
  std::atomic<std::int64_t> sent_point_to_point_ = 0;
  std::function<void()> look_;  // what a rank that waits long does now and then
  MessageExchange exchange_;
  std::unique_ptr<SharedMemoryReducer> shared_memory_;  // null: not on one node
  OperationQueue queue_;  // last: its thread uses all of the above
};

}  // namespace trellis
