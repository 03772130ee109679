// From the command line's first word to the command: help, version, unknown commands, and the one place where errors
// become a message and an exit code.
#pragma once

#include <functional>
#include <span>
#include <string>

namespace trellis {

struct Command {
  std::string name, summary;
  std::function<int(std::span<const std::string>)> run;  // gets the words behind the name, returns the exit code
};

// Runs the command that `arguments` (argv without the program) names and returns the exit code: 2 without a command or
// with an unknown one, else what current_error() says of an exception. Help and version go to standard output.
int dispatch(const std::string& program, const std::string& summary, std::span<const Command> commands,
             std::span<const std::string> arguments);

}  // namespace trellis
