#include "cli/dispatch.h"

#include <fmt/core.h>
#include <vector>

#include "base/current_error.h"
#include "base/errors.h"
#include "base/output.h"
#include "base/version.h"
#include "config/command_line.h"

namespace trellis {
namespace {

std::string help_text(const std::string& program, const std::string& summary, std::span<const Command> commands) {
  std::string text = fmt::format("usage: {} COMMAND [flags]\n\n{}\n\nCommands:\n", program, summary);
  for (const Command& command : commands) text += fmt::format("  {:<28}{}\n", command.name, command.summary);
  text += "\nGeneral:\n";
  text += fmt::format("  {:<28}{}\n", "--help, -h", "print this and exit; behind a command, print its flags");
  text += fmt::format("  {:<28}{}\n", "--version", "print the version and exit");
  return text;
}

int run_named(const std::string& program, const std::string& help, std::span<const Command> commands,
              std::span<const std::string> arguments) {
  if (arguments.empty()) throw UsageError("no command given", "command line", program + " --help lists the commands");
  const std::string& name = arguments.front();
  if (name == "--help" || name == "-h") {
    write_output(help);
    return 0;
  }
  if (name == "--version") {
    print_output("{} {}\n", program, kVersion);
    return 0;
  }
  std::vector<std::string> names;
  for (const Command& command : commands) {
    if (command.name == name) return command.run(arguments.subspan(1));
    names.push_back(command.name);
  }
  throw UsageError(
      fmt::format("unknown {} '{}'{}", name.starts_with('-') ? "flag" : "command", name, suggestion(name, names)),
      "command line", program + " --help lists the commands");
}

}  // namespace

int dispatch(const std::string& program, const std::string& summary, std::span<const Command> commands,
             std::span<const std::string> arguments) {
  try {
    const int code = run_named(program, help_text(program, summary, commands), commands, arguments);
    expect_output_written();
    return code;
  } catch (...) {
    const Error error = current_error();
    const bool unforeseen = error.code() == ExitCode::internal && error.fix().empty();
    log_ending(error, unforeseen ? "\n  fix:   this is a fault of the program: please report it with the command line" : "");
    return static_cast<int>(error.code());
  }
}

}  // namespace trellis
