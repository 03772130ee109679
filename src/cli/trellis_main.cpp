// trellis: trains, evaluates and uses trellis networks.
#include "base/process_start.h"
#include "cli/commands.h"
#include "cli/dispatch.h"
#include "config/command_line.h"

int main(int argc, char** argv) {
  using namespace trellis;
  prepare_process();
  const Command commands[] = {
      {"train", "train a network on a corpus, or resume a run", train_command},
      {"evaluate", "perplexity of a split, from a checkpoint", evaluate_command},
      {"generate", "text from a language model, token by token", generate_command},
      {"plan", "which mesh of ranks to choose, before the run", plan_command},
      {"checkpoint", "weights from other tools, and for them", checkpoint_command},
  };
  return dispatch("trellis", "Trains and uses trellis networks on MPI ranks; without mpirun, on one process.", commands,
                  arguments_of(argc, argv));
}
