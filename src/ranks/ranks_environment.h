// What every command that computes on ranks sets up: MPI, threads, the process group and its watchdog, in the order in
// which they must die.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "base/exit_codes.h"
#include "config/command_line.h"
#include "config/settings.h"
#include "mpi/session.h"
#include "ranks/ranks.h"

namespace trellis {

// A command from its words to its exit code. Parses them into what `line` is bound to; --help and --version print and end
// without MPI. `prepare` checks flags and reads what must be there; false: all is done, 0. Then MPI is started and `work` is
// called with a process group of all ranks; errors end as run_ranks says. What the command line or `prepare` throws is raised
// once for all ranks, when they are there. `timeout`, asked after `prepare`: how long a rank may wait for others before the
// watchdog ends the job. Ranks that run different programs, commands or flags are refused before `work`; what else they were
// given, settings and files, `work` compares (mpi/same_on_all.h).
int run_on_ranks(CommandLine& line, std::span<const std::string> arguments, const std::function<bool()>& prepare,
                 const std::function<ExitCode(const Ranks&, const MpiSession&)>& work,
                 const std::function<std::chrono::milliseconds()>& timeout = {});

// Collective; called by `work` once the settings are known: threads as below, and mesh.timeout for the watchdog and the group of all
// ranks.
void use_settings(const Settings& settings, const Ranks& ranks, const MpiSession& session);

// Collective; called by `work` where there are no settings, but a flag. Gives this rank the CPU threads that it computes with, and tells what
// keeps it from having more. threads: as many, but no more than the processors that the rank may run on; 0: what OMP_NUM_THREADS
// says, or else its share of the machine (plan/thread_share.h). Throws ConfigError, on every rank, where so many cannot be started.
void use_threads(std::int64_t threads, const MpiSession& session, const Ranks& ranks);

}  // namespace trellis
