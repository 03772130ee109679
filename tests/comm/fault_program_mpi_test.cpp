// Also a program for faults_test.sh, which calls it with a fault and the rank that commits it; without one it checks that
// ranks which do nothing wrong, and one of which comes late, end with 0.
#include <ATen/ATen.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <optional>
#include <string>
#include <thread>

#include "comm/faults/fault_reporter.h"
#include "comm/mesh_groups.h"
#include "comm/mpi/watched_mpi.h"
#include "mpi/run_ranks.h"

namespace {

using namespace trellis;
using namespace std::chrono_literals;

void commit(const std::string& fault, const MeshGroups& groups) {
  const at::Tensor tensor = at::zeros({10}), all = at::zeros({10 * groups.world.size()});
  if (fault == "killed") raise(SIGKILL);
  if (fault == "stopped") raise(SIGSTOP);
  if (fault == "busy") std::this_thread::sleep_for(1min);
  if (fault == "barrier") Communicator::world().barrier();
  if (fault == "other") groups.world.all_gather(all, tensor);
  if (fault == "message") groups.replica.start_receive(tensor, (groups.replica.rank() + 1) % groups.replica.size(), 7).wait();
  if (fault == "late") std::this_thread::sleep_for(500ms);
}

}  // namespace

int main(int argc, char** argv) {
  std::optional<FaultReporter> faults;  // outlives MPI
  const MpiSession session(argc, argv);
  return run_ranks(session, [&] {
    const Communicator communicator = Communicator::world();
    faults.emplace(communicator);
    Watchdog watchdog(session.rank(), 1500ms, [&](const Watchdog::Report& report) { faults->end_job(report); });
    const std::jthread serving = faults->serve(watchdog);
    const WatchedMpi watched(watchdog);
    const ProcessGroup world(make_backend(at::kCPU, communicator, {.timeout = backend_timeout(&watchdog)}), "world", &watchdog);
    const int stages = world.size() % 2 == 0 ? 2 : 1;
    const MeshGroups groups =
        make_mesh_groups({.data = world.size() / stages, .pipeline = stages, .vocabulary = 1}, world,
                         split_communicator(communicator, at::kCPU, &watchdog));
    const std::string fault = argc > 1 ? argv[1] : "late";
    const int culprit = argc > 2 ? std::stoi(argv[2]) : world.size() - 1;
    for (int step = 1; step <= 3; ++step) {
      if (step == 2 && world.rank() == culprit) commit(fault, groups);
      world.all_reduce(at::ones({1000}), Reduction::sum);
    }
    return ExitCode::done;
  });
}
