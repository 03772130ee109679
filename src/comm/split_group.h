// Parts of a group of ranks, whatever the ranks are: processes under MPI or NCCL here, threads in comm/threads/thread_backend.h.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <string>

#include "comm/process_group.h"
#include "mpi/communicator.h"

namespace trellis {

// Collective over the whole group: ranks that give the same color share the new one, ordered by key. `name` is the same on
// all ranks of a new group, and no other group's.
using SplitGroup = std::function<ProcessGroup(int color, int key, const std::string& name)>;

// Splits `communicator`'s ranks, and makes groups for tensors of `device`. `communicator` and `watchdog` must outlive what is
// returned; `store` is NCCL's, as in make_backend. A part of one rank gets no communicator (comm/threads/lone_backend.h).
SplitGroup split_communicator(const Communicator& communicator, at::Device device, Watchdog* watchdog = nullptr, StorePtr store = {});

}  // namespace trellis
