// trellis train: see docs/architecture.md; the settings are config/settings.def.

#include "base/output.h"
#include "cli/commands.h"
#include "config/command_line.h"
#include "config/settings_io.h"
#include "mpi/agreement.h"
#include "ranks/ranks_environment.h"
#include "trainer/trainer.h"

namespace trellis {
namespace {

struct TrainFlags {
  std::string data, run, resume = "none", init_from, profile, progress = "auto";
  std::vector<std::string> config, words, allow;
  bool print = false;

  CommandLine line() {
    CommandLine line("trellis train --config FILE --data DIR --run DIR [flags] [section.option=value...]",
                     "Trains a network on a corpus directory. Under mpirun every rank takes its share of the lanes; without it, one\n"
                     "process does all. A run stopped by a signal (SIGUSR2, SIGTERM, Ctrl-C, a terminal that is gone, the soft limit\n"
                     "of CPU time) or by train.seconds saves a checkpoint and ends with 75; SIGUSR1 saves one and goes on.");
    line.section("Flags")
        .add_repeated("config", "FILE", "settings in INI form; may be given several times, later files win; a resumed run may leave it out", config)
        .on_ranks(CommandLine::OnRanks::place)
        .add("data", "DIR", "corpus directory made by trellis-preprocess", data)
        .on_ranks(CommandLine::OnRanks::place)
        .add("run", "DIR", "where the run keeps checkpoints, metrics and settings", run)
        .on_ranks(CommandLine::OnRanks::place)
        .add("resume", "none|auto|DIR", "auto: the newest checkpoint of the run, or from the start if it has none; DIR: a checkpoint. The corpus must be that\n"
             "of the run", resume)
        .add("init-from", "DIR", "checkpoint whose weights a new run starts from", init_from)
        .on_ranks(CommandLine::OnRanks::place)
        .add_repeated("allow", "KEY[,KEY...]", "with --init-from: " + AllowedDifferences::meaning(), allow)
        .add("profile", "A:B", "where the time of steps A to B goes, counted from 1 as progress lines do: a timeline of all ranks in\n"
             "RUN/profile/, for ui.perfetto.dev, and a table in the log", profile)
        .add("progress", "auto|bar|lines", "what is shown on standard error: auto draws a bar below the lines where that is a terminal, its own\n"
             "or that of mpirun; bar draws it always, lines never", progress)
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
    if (!allow.empty() && init_from.empty()) {
      throw UsageError("--allow is for --init-from", "command line", "leave it out: what may differ in a run that is resumed is not for a flag to say");
    }
    request.allowed = AllowedDifferences(allow);
    if (progress == "bar") {
      request.progress = Progress::Style::bar;
    } else if (progress == "lines") {
      request.progress = Progress::Style::lines;
    } else if (progress != "auto") {
      throw UsageError(fmt::format("--progress is '{}', expected auto, bar or lines", progress), "command line", "trellis train --help explains");
    }
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
      write_output(print_config(flags.settings()));
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
