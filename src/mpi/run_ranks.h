// The one place where errors end: a program's main creates the MpiSession and hands its work to run_ranks.
#pragma once

#include <functional>

#include "base/exit_codes.h"
#include "mpi/session.h"

namespace trellis {

// Runs `work` and returns the exit code for main. When `work` throws
//   * an error that all ranks agreed on (mpi/agreement.h): rank 0 prints it, every rank returns its code, MPI ends in
//   order;
//   * any other error: this rank prints it with its number and host, and the whole job is aborted with its code,
//   because
//     the other ranks may be waiting for this one. With one rank it simply returns the code.
// What is no trellis::Error counts as ExitCode::internal.
int run_ranks(const MpiSession& session, const std::function<ExitCode()>& work);

}  // namespace trellis
