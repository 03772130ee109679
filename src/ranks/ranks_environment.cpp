#include "ranks/ranks_environment.h"

#include <fmt/core.h>

#include <algorithm>
#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <optional>
#include <span>
#include <system_error>
#include <thread>
#include <vector>

#include "base/errors.h"
#include "base/log.h"
#include "base/output.h"
#include "base/processors.h"
#include "base/self_watch.h"
#include "base/stop_request.h"
#include "base/version.h"
#include "comm/faults/fault_reporter.h"
#include "comm/mpi/watched_mpi.h"
#include "comm/process_group.h"
#include "mpi/agreement.h"
#include "mpi/run_ranks.h"
#include "mpi/same_on_all.h"
#include "plan/thread_share.h"
#include "ranks/compute_threads.h"
#include "ranks/program_facts.h"
#include "ranks/resident_memory.h"

namespace trellis {
namespace {

// What the ranks of this machine may use, and the place of this rank among them.
struct MachineProcessors {
  std::vector<Processors> ranks;
  std::size_t own = 0;
};

MachineProcessors gather_processors(const MpiSession& session, const Communicator& world, const Processors& mine) {
  constexpr std::int64_t kBits = 64, kNoQuota = -1;
  constexpr double kQuotaUnits = 1e6;
  std::int64_t words = mine.allowed.back() / kBits + 1;
  words = world.all_reduce(words, Reduction::max);
  std::vector<std::int64_t> facts{session.node(), mine.machine, mine.quota ? static_cast<std::int64_t>(*mine.quota * kQuotaUnits) : kNoQuota};
  const std::size_t numbers = facts.size();
  facts.resize(numbers + static_cast<std::size_t>(words));
  for (const int processor : mine.allowed) {
    facts[numbers + static_cast<std::size_t>(processor / kBits)] |= static_cast<std::int64_t>(std::uint64_t{1} << (processor % kBits));
  }
  const std::vector<std::int64_t> all = world.all_gather(facts);
  MachineProcessors machine;
  for (int rank = 0; rank < world.size(); ++rank) {
    const std::span<const std::int64_t> of_rank(all.data() + static_cast<std::size_t>(rank) * facts.size(), facts.size());
    if (of_rank[0] != session.node()) continue;
    if (rank == world.rank()) machine.own = machine.ranks.size();
    Processors one{.machine = static_cast<int>(of_rank[1]), .allowed = {}, .quota = std::nullopt};
    if (of_rank[2] != kNoQuota) one.quota = static_cast<double>(of_rank[2]) / kQuotaUnits;
    for (std::int64_t n = 0; n < words * kBits; ++n) {
      if ((static_cast<std::uint64_t>(of_rank[numbers + static_cast<std::size_t>(n / kBits)]) >> (n % kBits)) & 1) one.allowed.push_back(static_cast<int>(n));
    }
    machine.ranks.push_back(std::move(one));
  }
  return machine;
}

// LibTorch's OpenMP ends the process where it cannot start a thread, so threads are tried before.
void expect_threads(int threads) {
  std::vector<std::jthread> tried;
  try {
    for (int n = 1; n < threads; ++n) tried.emplace_back([](const std::stop_token& stop) {
      std::mutex mutex;
      std::unique_lock lock(mutex);
      std::condition_variable_any().wait(lock, stop, [] { return false; });
    });
  } catch (const std::system_error& error) {
    throw ConfigError(fmt::format("{} of {} threads could be started: {}", tried.size() + 1, threads, error.what()), "train.threads, OMP_NUM_THREADS",
                      "ask for fewer threads, or raise the limits on processes (ulimit -u, a container's pids limit) and memory (ulimit -v)");
  }
}

}  // namespace

void use_threads(std::int64_t threads, const MpiSession& session, const Ranks& ranks) {
  at::set_num_interop_threads(1);
  const Processors mine = processors_of_this_process();
  const MachineProcessors machine = gather_processors(session, ranks.world, mine);
  const ThreadShare share = thread_share(machine.ranks, machine.own);
  const auto allowed = static_cast<std::int64_t>(mine.allowed.size());
  const bool asked = threads > 0 || std::getenv("OMP_NUM_THREADS") != nullptr;
  if (threads == 0) threads = asked ? at::get_num_threads() : share.threads;  // LibTorch has read the variable
  if (ranks.rank() == 0 && threads > allowed) {
    log_warning("{} threads are asked for, but this rank may run on {} processor(s) and computes with as many threads", threads, allowed);
  }
  threads = std::min(threads, allowed);
  if (const std::string remark = thread_share_remark(share, mine, machine.ranks.size(), session.size() > 1); ranks.rank() == 0 && !asked && !remark.empty()) {
    log_info("{}", remark);
  }
  agree(ranks.world, [&] { expect_threads(static_cast<int>(threads)); });
  require(ranks.threads != nullptr, "a command's ranks have threads");
  ranks.threads->give(static_cast<int>(threads), mine.allowed);
}

void use_settings(const Settings& settings, const Ranks& ranks, const MpiSession& session) {
  use_threads(settings.train.threads, session, ranks);
  ranks.group.set_timeout(std::chrono::seconds(settings.mesh.timeout));
}

int run_on_ranks(CommandLine& line, std::span<const std::string> arguments, const std::function<bool()>& prepare,
                 const std::function<ExitCode(const Ranks&, const MpiSession&)>& work,
                 const std::function<std::chrono::milliseconds()>& timeout) {
  SelfWatch watch;
  std::optional<SelfWatch::Wait> others;  // dies after MPI
  std::optional<Error> early;
  try {
    switch (line.parse(arguments)) {
      case CommandLine::Parsed::help: write_output(line.help()); return 0;
      case CommandLine::Parsed::version: print_output("trellis {}\n", kVersion); return 0;
      case CommandLine::Parsed::ready: break;
    }
    if (!prepare()) return 0;
  } catch (const Error& error) {
    early = error;
  }
  const std::chrono::milliseconds patience = timeout ? timeout() : kDefaultWatchdogTimeout;
  return_freed_memory();
  // Intel's library then adds up products in one order, whatever the number of threads; it costs nothing measurable. It looks at
  // this at its first product.
  setenv("MKL_CBWR", "AUTO,STRICT", 0);
  static std::string program = "trellis";
  char* argv[] = {program.data(), nullptr};
  std::optional<FaultReporter> faults;  // dies after MPI
  others.emplace(watch, "MPI's start", patience);
  const MpiSession session(1, argv);
  others.emplace(watch, "their first messages", patience);
  const int code = run_ranks(session, [&] {
    const Communicator world = Communicator::world();
    agree(world, [&] {
      if (early) throw *early;
      throw_if_stop_requested();
    });
    Facts facts = program_facts();
    append(facts, line.facts());
    expect_same_on_all(world, facts);
    faults.emplace(world);
    const auto on_expired = [&](const Watchdog::Report& report) { faults->end_job(report); };
    Watchdog watchdog(session.rank(), patience, on_expired);
    const std::jthread serving = faults->serve(watchdog);
    const WatchedMpi watched(watchdog);
    const ProcessGroup group(make_backend(at::Device(at::kCPU), world, {.timeout = backend_timeout(&watchdog)}), "world", &watchdog);
    others.reset();
    release_startup_pages();
    ComputeThreads threads;
    return work(Ranks{world, group, &threads}, session);
  });
  others.emplace(watch, "MPI's end", patience);
  return code;
}

}  // namespace trellis
