#include "cli/dispatch.h"

#include <cstdio>
#include <exception>
#include <fmt/core.h>
#include <vector>

#include "base/errors.h"
#include "base/log.h"
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
    fmt::print("{}", help);
    return 0;
  }
  if (name == "--version") {
    fmt::print("{} {}\n", program, kVersion);
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

void expect_output_written() {
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return;
  throw WriteError("what was printed could not be written in full", "standard output", "check the space left where it goes to");
}

int dispatch(const std::string& program, const std::string& summary, std::span<const Command> commands,
             std::span<const std::string> arguments) {
  try {
    const int code = run_named(program, help_text(program, summary, commands), commands, arguments);
    expect_output_written();
    return code;
  } catch (const Error& error) {
    log_error("{}", error.what());
    return static_cast<int>(error.code());
  } catch (const std::exception& error) {
    log_error("{}\n  fix:   this is a fault of the program: please report it with the command line", error.what());
    return static_cast<int>(ExitCode::internal);
  }
}

}  // namespace trellis
