// trellis-preprocess: turns raw data into corpus directories. One sub-command for each kind of data. Links no LibTorch,
// so it runs on a login node.
#include <csignal>
#include <cstdlib>
#include <span>
#include <string>
#include <sys/resource.h>
#include <vector>

#include "base/current_error.h"
#include "base/errors.h"
#include "base/log.h"
#include "base/output.h"
#include "base/process_start.h"
#include "base/stop_request.h"
#include "base/version.h"
#include "config/command_line.h"
#include "preprocessing/image_command.h"
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
    write_output(kHelp);
  } else if (command == "--version") {
    print_output("trellis-preprocess {}\n", kVersion);
  } else if (command.empty()) {
    throw UsageError("no command is given", "command line", "try: trellis-preprocess text --help");
  } else {
    throw UsageError(fmt::format("unknown command '{}'{}", command, suggestion(command, commands)), "command line",
                     "trellis-preprocess --help lists the commands");
  }
  return ExitCode::done;
}

// As if the signal had never been handled: callers and shells see 128 + its number.
[[noreturn]] void end_by_signal(int number) {
  const rlimit no_core{};  // which SIGXCPU would leave
  setrlimit(RLIMIT_CORE, &no_core);
  std::signal(number, SIG_DFL);
  std::raise(number);
  std::_Exit(128 + number);
}

}  // namespace

int main(int argc, char** argv) {
  prepare_process();
  int signal = 0;
  try {
    const ExitCode code = run(arguments_of(argc, argv));
    expect_output_written();
    return static_cast<int>(code);
  } catch (const StopRequested& stop) {
    log_error("interrupted: nothing was written");
    signal = stop.signal();
  } catch (...) {
    const Error error = current_error();
    log_ending(error);
    return static_cast<int>(error.code());
  }
  end_by_signal(signal);
}
