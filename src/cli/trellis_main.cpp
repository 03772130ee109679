// trellis: trains and evaluates trellis networks.
#include "cli/commands.h"
#include "cli/dispatch.h"
#include "config/command_line.h"

int main(int argc, char** argv) {
  using namespace trellis;
  const Command commands[] = {
      {"train", "train a network on a corpus, or resume a run", train_command},
      {"evaluate", "perplexity of a split, from a checkpoint", evaluate_command},
  };
  return dispatch("trellis", "Trains trellis networks on MPI ranks; without mpirun, on one process.", commands,
                  arguments_of(argc, argv));
}
