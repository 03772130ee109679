// A group of ranks that exchange tensors: what the folders above comm/ use instead of c10d itself, whose interface
// changes between LibTorch releases. The same code runs over MPI (CPU tensors), NCCL (CUDA tensors) and threads (tests).
//
// Tensors are contiguous and of one dtype and size on all ranks (all_to_all: of the sizes that the ranks agree on pairwise);
// every rank makes the same collective calls in the same order. All dtypes travel, bfloat16 too, but CPU tensors are reduced
// in float32, float64, int64, int32, uint8 and bool only. Sums are taken in rank order on CPU tensors: every rank holds the same bits, and the same again in the next run.
// A tensor under way must be neither read nor written until its Pending has been waited for.
// Errors: InternalError for tensors that do not fit; ExitCode::watchdog for an operation that outlived its timeout.
#pragma once

#include <ATen/core/Tensor.h>
#include <torch/csrc/distributed/c10d/Backend.hpp>
#include <torch/csrc/distributed/c10d/Store.hpp>

#include <chrono>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "comm/faults/watchdog.h"
#include "comm/traffic.h"
#include "mpi/communicator.h"

namespace trellis {

using BackendPtr = c10::intrusive_ptr<c10d::Backend>;
using StorePtr = c10::intrusive_ptr<c10d::Store>;

// An operation under way. Destroying it does not wait.
class Pending {
 public:
  Pending() = default;  // nothing under way: wait() returns at once
  // `operation`: its id in the watchdog's log.
  Pending(c10::intrusive_ptr<c10d::Work> work, std::uint64_t operation, Watchdog* watchdog);

  // Returns when the tensors may be used again (for CUDA tensors: by the current stream). Throws what went wrong.
  void wait();
  bool finished();

 private:
  c10::intrusive_ptr<c10d::Work> work_;
  std::uint64_t operation_ = 0;
  Watchdog* watchdog_ = nullptr;
};

class ProcessGroup {
 public:
  // `watchdog`, if given, monitors every wait and logs every operation; it must outlive the group. `members`: the ranks of the
  // world in the group's order, for its reports; empty: the group is the world.
  ProcessGroup(BackendPtr backend, std::string name = "world", Watchdog* watchdog = nullptr, std::vector<int> members = {});

  int rank() const { return backend_->getRank(); }
  int size() const { return backend_->getSize(); }
  const std::string& name() const { return name_; }
  const BackendPtr& backend() const { return backend_; }
  Watchdog* watchdog() const { return watchdog_; }
  // From now on the watchdog waits so long, and this group's backend as backend_timeout() says: for a group that is made before
  // the settings are known. Others are made later. Every rank calls it at the same point.
  void set_timeout(std::chrono::milliseconds timeout) const;
  // What this rank has sent through this group and its copies since it was made.
  Traffic traffic() const { return state_->traffic.read(); }

  // In place.
  void all_reduce(const at::Tensor& tensor, Reduction reduction) const;
  void broadcast(const at::Tensor& tensor, int root) const;
  // output [size * n] receives the inputs [n] of all ranks in rank order.
  void all_gather(const at::Tensor& output, const at::Tensor& input) const;
  // output [n] receives this rank's part of the reduction of all inputs [size * n].
  void reduce_scatter(const at::Tensor& output, const at::Tensor& input, Reduction reduction) const;
  // Dimension 0 of both tensors is rows: the first send_rows[0] rows of the input go to rank 0, the next send_rows[1] to rank
  // 1 and so on; the output receives receive_rows[r] rows from rank r, in rank order. Any may be 0, all of them too.
  void all_to_all(const at::Tensor& output, const at::Tensor& input, std::vector<std::int64_t> receive_rows,
                  std::vector<std::int64_t> send_rows) const;
  void barrier() const;

  // The same, going on while the caller computes.
  [[nodiscard]] Pending start_all_reduce(const at::Tensor& tensor, Reduction reduction) const;
  [[nodiscard]] Pending start_broadcast(const at::Tensor& tensor, int root) const;
  [[nodiscard]] Pending start_all_gather(const at::Tensor& output, const at::Tensor& input) const;
  [[nodiscard]] Pending start_reduce_scatter(const at::Tensor& output, const at::Tensor& input, Reduction reduction) const;
  [[nodiscard]] Pending start_all_to_all(const at::Tensor& output, const at::Tensor& input, std::vector<std::int64_t> receive_rows,
                                         std::vector<std::int64_t> send_rows) const;

  // Point to point; messages between two ranks with the same tag arrive in the order sent. Tags are 0 to 32767; NCCL
  // has no tags: there the order of the calls on the two ranks must agree. May be in any order with the collectives.
  [[nodiscard]] Pending start_send(const at::Tensor& tensor, int to, int tag = 0) const;
  [[nodiscard]] Pending start_receive(const at::Tensor& tensor, int from, int tag = 0) const;

 private:
  struct State {  // of all copies of a group
    explicit State(BackendPtr used) : backend(std::move(used)), unwinding(std::uncaught_exceptions()) {}
    State(const State&) = delete;
    State& operator=(const State&) = delete;
    // NCCL wants to be told of an orderly end; after an error other ranks may never come to it.
    ~State() {
      if (std::uncaught_exceptions() == unwinding) backend->shutdown();
    }
    BackendPtr backend;
    int unwinding;
    TrafficCounter traffic;
    int log_group = 0;
  };
  using WorkPtr = c10::intrusive_ptr<c10d::Work>;

  // Each hands its operation to the backend, and counts what it sends.
  WorkPtr post_all_reduce(const at::Tensor& tensor, Reduction reduction, bool async) const;
  WorkPtr post_broadcast(const at::Tensor& tensor, int root, bool async) const;
  WorkPtr post_all_gather(const at::Tensor& output, const at::Tensor& input, bool async) const;
  WorkPtr post_reduce_scatter(const at::Tensor& output, const at::Tensor& input, Reduction reduction, bool async) const;
  WorkPtr post_all_to_all(const at::Tensor& output, const at::Tensor& input, std::vector<std::int64_t>& receive_rows,
                          std::vector<std::int64_t>& send_rows, bool async) const;

  // Runs start() and waits for what it returns, or not, with the operation in the log.
  template <class Start>
  void run(Operation operation, const at::Tensor& tensor, int peer, Start&& start) const;
  template <class Start>
  Pending begin(Operation operation, const at::Tensor& tensor, int peer, int tag, Start&& start) const;
  std::uint64_t log(Operation operation, const at::Tensor& tensor, int peer, int tag) const;

  BackendPtr backend_;
  std::string name_;
  Watchdog* watchdog_;
  std::shared_ptr<State> state_;
};

struct BackendOptions {
  std::string group_name = "world";  // the same on all its ranks, different for different groups
  // After this long an operation fails: the backstop of the watchdog, whose limit is shorter and fires first.
  std::chrono::milliseconds timeout = std::chrono::minutes(30);
};

// A backend's timeout beside this watchdog: twice its limit, at least a minute more. Without a watchdog the default above.
std::chrono::milliseconds backend_timeout(const Watchdog* watchdog);

// Collective over `communicator`'s ranks, which become the backend's. CPU: MpiBackend. CUDA, with the index of this rank's
// device: ProcessGroupNCCL from the CUDA module; it needs `store` (comm/faults/rendezvous.h), CPU ignores it.
// Throws ConfigError when this build has no CUDA, or another device type is asked for.
BackendPtr make_backend(at::Device device, const Communicator& communicator, const BackendOptions& options = {},
                        const StorePtr& store = {});

}  // namespace trellis
