// Where the processes of a job meet before any device communicator exists: a key-value store served by rank 0. NCCL
// exchanges its unique ids through it, and its watchdog threads use it at any time.
#pragma once

#include <torch/csrc/distributed/c10d/Store.hpp>

#include <chrono>
#include <string>

#include "mpi/communicator.h"

namespace trellis {

// Collective. Rank `server` (0 unless said) starts a c10d::TCPStore on a free port; its address travels by MPI; every rank returns connected.
// `address`, if not empty, is the name or IP under which the others reach the server's node; by default the host's name where it
// resolves to a non-loopback address, else its first such interface; 127.0.0.1 when all ranks share one node.
// Throws InternalError, agreed on all ranks, when a rank cannot connect within `timeout`.
c10::intrusive_ptr<c10d::Store> make_store(const Communicator& communicator, const std::string& address = {},
                                           std::chrono::milliseconds timeout = std::chrono::minutes(5), int server = 0);

}  // namespace trellis
