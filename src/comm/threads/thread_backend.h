// c10d::Backend whose ranks are threads of one process: tests of everything above comm/ run on it without MPI or a GPU.
// The operations and their rules are MpiBackend's. A collective completes when its last rank arrives, whose thread does
// the work for all; ranks that bring different operations, sizes or dtypes all get an InternalError saying so.
#pragma once

#include <torch/csrc/distributed/c10d/Backend.hpp>

#include <functional>
#include <memory>
#include <vector>

#include "comm/split_group.h"

namespace trellis {

class ThreadGroup;  // the state that the ranks share

class ThreadBackend final : public c10d::Backend {
 public:
  ThreadBackend(std::shared_ptr<ThreadGroup> group, int rank, int size);
  ~ThreadBackend() override;

  const std::string getBackendName() const override { return "threads"; }
  // Every unfinished and every later operation of all ranks fails with InternalError giving this reason.
  void fail(const std::string& reason);

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
  std::shared_ptr<ThreadGroup> group_;
  std::uint64_t collectives_ = 0;  // this rank's calls so far
};

// A new group of `ranks` backends, in rank order, to be used by one thread each.
std::vector<c10::intrusive_ptr<ThreadBackend>> make_thread_backends(int ranks);

// Runs fn(backend, rank) on `ranks` threads and waits for all. If one throws, the others are released from whatever they
// wait for, and the exception that came first is thrown here. `fn` may as well take a ProcessGroup as its first argument.
void run_thread_ranks(int ranks, const std::function<void(const c10::intrusive_ptr<c10d::Backend>&, int)>& fn);

// The same for ranks that also work in parts of their world: fn(world, split, rank). A rank that throws releases the others
// from every group that was split, by whomever.
void run_thread_mesh(int ranks, const std::function<void(const ProcessGroup& world, const SplitGroup& split, int rank)>& fn);

}  // namespace trellis
