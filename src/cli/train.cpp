// trellis train: see docs/architecture.md; the settings are config/settings.def.
#include <fmt/core.h>


#include "cli/commands.h"
#include "cli/ranks_environment.h"
#include "config/command_line.h"
#include "config/settings_io.h"
#include "mpi/agreement.h"
#include "train/trainer.h"

namespace trellis {
namespace {

struct TrainFlags {
  std::string data, run, resume = "none", init_from, profile;
  std::vector<std::string> config, words;
  bool print = false;

  CommandLine line() {
    CommandLine line("trellis train --config FILE --data DIR --run DIR [flags] [section.option=value...]",
                     "Trains a network on a corpus directory. Under mpirun every rank takes its share of the lanes; without it, one\n"
                     "process does all. A run stopped by a signal (SIGUSR2, SIGTERM, Ctrl-C) or by train.seconds saves a checkpoint\n"
                     "and ends with 75; SIGUSR1 saves one and goes on.");
    line.section("Flags")
        .add_repeated("config", "FILE", "settings in INI form; may be given several times, later files win; a resumed run may leave it out", config)
        .on_ranks(CommandLine::OnRanks::place)
        .add("data", "DIR", "corpus directory made by trellis-preprocess", data)
        .on_ranks(CommandLine::OnRanks::place)
        .add("run", "DIR", "where the run keeps checkpoints, metrics and settings", run)
        .on_ranks(CommandLine::OnRanks::place)
        .add("resume", "none|auto|DIR", "auto: the newest whole checkpoint of the run, or from the start if it has none; DIR: a checkpoint. The corpus must be\n"
             "that of the run", resume)
        .add("init-from", "DIR", "checkpoint whose weights a new run starts from", init_from)
        .on_ranks(CommandLine::OnRanks::place)
        .add("profile", "A:B", "where the time of steps A to B goes, counted from 1 as progress lines do: a timeline of all ranks in\n"
             "RUN/profile/, for ui.perfetto.dev, and a table in the log", profile)
        .add_switch("print-config", "print every setting with where it came from, and exit", print)
        .positional("section.option=value", "settings that win over the file", words)
        .appendix(settings_help());
    return line;
  }

  LoadedSettings settings() const {
    return load_settings({config.begin(), config.end()}, words);
  }

  TrainRequest request() const {
    const auto needed = [](const std::string& value, const char* flag) {
      if (value.empty()) throw UsageError(std::string("--") + flag + " is missing", "command line", std::string("give --") + flag + "; trellis train --help explains");
    };
    needed(data, "data");
    needed(run, "run");
    if (!init_from.empty() && resume != "none") {
      throw UsageError("--init-from and --resume exclude each other", "command line",
                       "--resume goes on with a run, --init-from begins one with another's weights");
    }
    TrainRequest request;
    request.settings = settings();
    request.settings_given = !config.empty();
    request.words = words;
    request.data = data;
    request.run = run;
    if (resume == "auto") {
      request.resume = Resume::newest;
    } else if (resume != "none") {
      request.resume = Resume::from_path;
      request.checkpoint = resume;
    }
    if (!init_from.empty()) request.init_from = init_from;
    if (!profile.empty()) request.profile = parse_profiled_steps(profile);
    return request;
  }
};

}  // namespace

int train_command(std::span<const std::string> arguments) {
  TrainFlags flags;
  TrainRequest request;
  CommandLine line = flags.line();
  const auto prepare = [&] {
    if (flags.print) {
      fmt::print("{}", print_config(flags.settings()));
      return false;
    }
    request = flags.request();
    return true;
  };
  const auto work = [&](const Ranks& ranks, const MpiSession& session) {
    request.use_settings = [&](const Settings& settings) { use_settings(settings, ranks, session); };
    return train(ranks, request);
  };
  return run_on_ranks(line, arguments, prepare, work, [&] { return std::chrono::seconds(request.settings.settings.mesh.timeout); });
}

}  // namespace trellis
