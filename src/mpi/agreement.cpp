#include "mpi/agreement.h"

#include <algorithm>
#include <mpi.h>

#include "base/host_name.h"
#include "mpi/check.h"

namespace trellis {
namespace {

[[noreturn]] void throw_agreed(ExitCode code, const std::string& what, const std::string& where, const std::string& fix,
                               int ranks) {
  switch (code) {
    case ExitCode::wrong_flags:
      throw AgreedError<ExitCode::wrong_flags>(what, where, fix, ranks);
    case ExitCode::numeric_failure:
      throw AgreedError<ExitCode::numeric_failure>(what, where, fix, ranks);
    case ExitCode::bad_data:
      throw AgreedError<ExitCode::bad_data>(what, where, fix, ranks);
    case ExitCode::input_missing:
      throw AgreedError<ExitCode::input_missing>(what, where, fix, ranks);
    case ExitCode::output_exists:
      throw AgreedError<ExitCode::output_exists>(what, where, fix, ranks);
    case ExitCode::write_failed:
      throw AgreedError<ExitCode::write_failed>(what, where, fix, ranks);
    case ExitCode::stopped_early:
      throw AgreedError<ExitCode::stopped_early>(what, where, fix, ranks);
    case ExitCode::watchdog:
      throw AgreedError<ExitCode::watchdog>(what, where, fix, ranks);
    case ExitCode::wrong_setting:
      throw AgreedError<ExitCode::wrong_setting>(what, where, fix, ranks);
    case ExitCode::done:
    case ExitCode::internal:
      break;
  }
  throw AgreedError<ExitCode::internal>(what, where, fix, ranks);
}

// An error that these ranks have agreed upon before, passing an outer agreement, names its rank already.
std::string where_with_rank(const Error& error, const Communicator& communicator) {
  if (communicator.size() == 1 || error.where().starts_with("rank ")) return error.where();
  const std::string rank = "rank " + std::to_string(communicator.rank()) + " on " + host_name();
  return error.where().empty() ? rank : rank + ": " + error.where();
}

}  // namespace

bool is_agreed(int ranks) {
  if (ranks == 1) return true;
  try {
    throw;
  } catch (const Agreement& agreement) {
    return agreement.ranks == ranks;
  } catch (...) {
    return false;
  }
}

void agree_on_error(const Communicator& communicator, const std::optional<Error>& error) {
  const std::int64_t nobody = communicator.size();
  const std::int64_t mine = error ? communicator.rank() : nobody;
  const auto lowest = static_cast<int>(communicator.all_reduce(mine, Reduction::min));
  if (lowest == nobody) return;
  const bool is_mine = lowest == communicator.rank();
  const auto code = static_cast<ExitCode>(
      communicator.broadcast(is_mine ? static_cast<std::int64_t>(error->code()) : std::int64_t{0}, lowest));
  const std::string what = communicator.broadcast(is_mine ? error->fact() : std::string(), lowest);
  const std::string where =
      communicator.broadcast(is_mine ? where_with_rank(*error, communicator) : std::string(), lowest);
  const std::string fix = communicator.broadcast(is_mine ? error->fix() : std::string(), lowest);
  throw_agreed(code, what, where, fix, communicator.size());
}

}  // namespace trellis
