// The commands of the program `trellis`, one file each. A command gets the words behind its name, parses its own flags
// (--help included, which starts neither MPI nor LibTorch) and returns the exit code. What it throws, dispatch()
// prints; a command that has started MPI handles errors itself while MPI is alive, or the other ranks would wait for
// ever.
#pragma once

#include <span>
#include <string>

namespace trellis {

int train_command(std::span<const std::string> arguments);
int evaluate_command(std::span<const std::string> arguments);
int generate_command(std::span<const std::string> arguments);
int plan_command(std::span<const std::string> arguments);
int checkpoint_command(std::span<const std::string> arguments);

}  // namespace trellis
