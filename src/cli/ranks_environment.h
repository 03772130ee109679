// What every command that computes on ranks sets up: MPI, threads, the process group and its watchdog, in the order in
// which they must die.
#pragma once

#include <functional>
#include <optional>

#include "base/errors.h"
#include "mpi/session.h"
#include "train/ranks.h"

namespace trellis {

// Starts MPI and calls work(ranks) with a process group of all ranks; errors end as run_ranks says. `early` is an error
// that happened before MPI was there (the command line's): it is raised once for all ranks. `threads`: CPU threads of this
// rank; 0: cores over the ranks of the machine, unless OMP_NUM_THREADS says otherwise.
int on_ranks(const std::optional<Error>& early, const std::function<ExitCode(const Ranks&, const MpiSession&)>& work);

// Called by `work` once the settings are known.
void use_threads(int threads, const MpiSession& session);

}  // namespace trellis
