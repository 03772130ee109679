// trellis-preprocess: turns raw data into corpus directories. One sub-command for each kind of data. Links no LibTorch,
// so it runs on a login node.
#include <exception>
#include <fmt/core.h>
#include <span>
#include <string>
#include <vector>

#include "base/errors.h"
#include "base/log.h"
#include "base/version.h"
#include "config/command_line.h"
#include "preprocessing/image_command.h"
#include "preprocessing/interruption.h"
#include "preprocessing/text_command.h"

namespace {

using namespace trellis;

constexpr const char* kHelp =
    "usage: trellis-preprocess COMMAND [flags]\n\n"
    "Turns raw data into a corpus directory for trellis.\n\n"
    "Commands:\n"
    "  text      text files, as words, characters or bytes\n"
    "  images    images with labels, as sequences of pixels for a classifier\n\n"
    "trellis-preprocess COMMAND --help lists a command's flags. --version prints the version.\n";

ExitCode run(std::span<const std::string> arguments) {
  const std::vector<std::string> commands{"text", "images"};
  const std::string command = arguments.empty() ? "" : arguments.front();
  if (command == "text") return text_command(arguments.subspan(1));
  if (command == "images") return image_command(arguments.subspan(1));
  if (command == "--help" || command == "-h") {
    fmt::print("{}", kHelp);
  } else if (command == "--version") {
    fmt::print("trellis-preprocess {}\n", kVersion);
  } else if (command.empty()) {
    throw UsageError("no command is given", "command line", "try: trellis-preprocess text --help");
  } else {
    throw UsageError(fmt::format("unknown command '{}'{}", command, suggestion(command, commands)), "command line",
                     "trellis-preprocess --help lists the commands");
  }
  return ExitCode::done;
}

}  // namespace

int main(int argc, char** argv) {
  watch_interruption();
  int signal = 0;
  try {
    return static_cast<int>(run(arguments_of(argc, argv)));
  } catch (const Interrupted& interrupted) {
    log_error("interrupted: nothing was written");
    signal = interrupted.signal;
  } catch (const Error& error) {
    log_error("{}", error.what());
    return static_cast<int>(error.code());
  } catch (const std::exception& error) {
    log_error("{}", error.what());
    return static_cast<int>(ExitCode::internal);
  }
  end_by_signal(signal);
}
