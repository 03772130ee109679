#include "mpi/same_on_all.h"

#include <string>
#include <vector>

#include "mpi/agreement.h"

namespace trellis {

void expect_same_on_all(const Communicator& communicator, const Facts& facts) {
  if (communicator.size() == 1) return;
  const std::string own = to_text(facts);
  const bool same = communicator.broadcast(own, 0) == own;
  if (communicator.all_reduce(std::int64_t{same}, Reduction::min) == 1) return;
  const std::vector<std::string> texts = communicator.gather(own, 0);  // rank 0 has them all
  std::string what, where, fix;
  std::int64_t code = 0;
  agree(communicator, [&] {
    if (communicator.rank() != 0) return;
    std::vector<Facts> of_ranks;
    for (const std::string& text : texts) of_ranks.push_back(facts_from_text(text));
    const auto difference = first_difference(of_ranks);
    require(difference.has_value(), "facts whose texts differ differ");
    const Error error = error_of(*difference);
    what = error.fact(), where = error.where(), fix = error.fix(), code = static_cast<std::int64_t>(error.code());
  });
  what = communicator.broadcast(what, 0);
  where = communicator.broadcast(where, 0);
  fix = communicator.broadcast(fix, 0);
  if (static_cast<ExitCode>(communicator.broadcast(code, 0)) == ExitCode::bad_data) {
    throw AgreedError<ExitCode::bad_data>(what, where, fix, communicator.size());
  }
  throw AgreedError<ExitCode::wrong_setting>(what, where, fix, communicator.size());
}

}  // namespace trellis
