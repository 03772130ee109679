#include "mpi/run_ranks.h"

#include <cstdio>

#include "base/errors.h"
#include "base/host_name.h"
#include "mpi/agreement.h"

namespace trellis {

int run_ranks(const MpiSession& session, const std::function<ExitCode()>& work) {
  try {
    return static_cast<int>(work());
  } catch (...) {
    const Error error = current_error();
    if (is_agreed(session.size())) {
      if (session.rank() == 0) log_ending(error);
      return static_cast<int>(error.code());
    }
    log_ending(error, "\n  on:    host " + host_name());
    std::fflush(nullptr);
    session.abort(error.code());
  }
}

}  // namespace trellis
