#include "cli/ranks_environment.h"

#include <fmt/core.h>
#include <sched.h>

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <thread>

#include "base/errors.h"
#include "base/version.h"
#include "cli/program_facts.h"
#include "cli/resident_memory.h"
#include "comm/fault_reporter.h"
#include "comm/process_group.h"
#include "comm/watched_mpi.h"
#include "mpi/agreement.h"
#include "mpi/run_ranks.h"
#include "mpi/same_on_all.h"

namespace trellis {
namespace {

// Processors that this process may run on.
int usable_processors() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return std::max(1, CPU_COUNT(&set));
  return static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
}

}  // namespace

void use_threads(int threads, const MpiSession& session) {
  at::set_num_interop_threads(1);
  if (threads == 0) {
    if (std::getenv("OMP_NUM_THREADS") != nullptr) return;  // LibTorch has read it
    const int whole_machine = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
    threads = std::clamp(whole_machine / session.local_size(), 1, usable_processors());
  }
  at::set_num_threads(threads);
}

void use_settings(const Settings& settings, const Ranks& ranks, const MpiSession& session) {
  use_threads(settings.train.threads, session);
  ranks.group.set_timeout(std::chrono::seconds(settings.mesh.timeout));
}

int run_on_ranks(CommandLine& line, std::span<const std::string> arguments, const std::function<bool()>& prepare,
                 const std::function<ExitCode(const Ranks&, const MpiSession&)>& work,
                 const std::function<std::chrono::milliseconds()>& timeout) {
  std::optional<Error> early;
  try {
    switch (line.parse(arguments)) {
      case CommandLine::Parsed::help: fmt::print("{}", line.help()); return 0;
      case CommandLine::Parsed::version: fmt::print("trellis {}\n", kVersion); return 0;
      case CommandLine::Parsed::ready: break;
    }
    if (!prepare()) return 0;
  } catch (const Error& error) {
    early = error;
  }
  return_freed_memory();
  static std::string program = "trellis";
  char* argv[] = {program.data(), nullptr};
  std::optional<FaultReporter> faults;  // dies after MPI
  const MpiSession session(1, argv);
  return run_ranks(session, [&] {
    const Communicator world = Communicator::world();
    agree_on_error(world, early);
    Facts facts = program_facts();
    append(facts, line.facts());
    expect_same_on_all(world, facts);
    faults.emplace(world);
    const auto on_expired = [&](const Watchdog::Report& report) { faults->end_job(report); };
    Watchdog watchdog(session.rank(), timeout ? timeout() : kDefaultWatchdogTimeout, on_expired);
    const std::jthread serving = faults->serve(watchdog);
    const WatchedMpi watched(watchdog);
    const ProcessGroup group(make_backend(at::Device(at::kCPU), world, {.timeout = backend_timeout(&watchdog)}), "world", &watchdog);
    release_startup_pages();
    return work(Ranks{world, group}, session);
  });
}

}  // namespace trellis
