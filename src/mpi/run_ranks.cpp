#include "mpi/run_ranks.h"

#include <cstdio>

#include "base/errors.h"
#include "base/log.h"
#include "mpi/agreement.h"

namespace trellis {

int run_ranks(const MpiSession& session, const std::function<ExitCode()>& work) {
  try {
    return static_cast<int>(work());
  } catch (...) {
    const Error error = current_error();
    bool agreed = session.size() == 1;
    try {
      throw;
    } catch (const Agreement& agreement) {
      agreed = agreed || agreement.ranks == session.size();
    } catch (...) {
    }
    if (agreed) {
      if (session.rank() == 0) log_error("{}", error.what());
      return static_cast<int>(error.code());
    }
    log_error("{}\n  on:    host {}", error.what(), session.host());
    std::fflush(nullptr);
    session.abort(error.code());
  }
}

}  // namespace trellis
