// Also a program for exit_codes_test.sh, which calls it with a scenario; without one it checks only that a run that
// does nothing wrong ends with 0 on every rank.
#include <cstring>
#include <string>

#include "base/errors.h"
#include "mpi/agreement.h"
#include "mpi/run_ranks.h"

int main(int argc, char** argv) {
  using namespace trellis;
  const MpiSession session(argc, argv);
  return run_ranks(session, [&] {
    const std::string scenario = argc > 1 ? argv[1] : "fine";
    const auto world = Communicator::world();
    const int last = world.size() - 1;
    if (scenario == "agreed")
      agree(world, [&] {
        if (world.rank() == last) throw WriteError("no space", "state.h5", "free some");
      });
    if (scenario == "alone" && world.rank() == last) throw DataError("token 9 of 8", "train-00000.h5", "rebuild");
    if (scenario == "foreign" && world.rank() == last) throw std::runtime_error("unforeseen");
    if (scenario == "abort" && world.rank() == last) session.abort(ExitCode::watchdog);
    world.barrier();  // where the others wait for a rank that failed alone
    return ExitCode::done;
  });
}
