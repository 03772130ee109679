// trellis checkpoint: weights from other tools, and for them (docs/weights.md).
#include <fmt/format.h>

#include <algorithm>

#include "base/log.h"
#include "base/output.h"
#include "base/stop_request.h"
#include "checkpoint/run_lock.h"
#include "cli/chosen_checkpoint.h"
#include "cli/commands.h"
#include "cli/dispatch.h"
#include "config/command_line.h"
#include "config/settings_io.h"
#include "config/settings_ranks.h"
#include "config/settings_validate.h"
#include "mpi/agreement.h"
#include "mpi/same_on_all.h"
#include "ranks/ranks_environment.h"
#include "report/wording.h"
#include "train/dataset.h"
#include "train/from_settings.h"
#include "train/make_task.h"
#include "trainer/checkpointing.h"
#include "trainer/given_weights.h"
#include "train/rank_facts.h"
#include "trainer/run_directory.h"
#include "trainer/shared_directory.h"
#include "weights/lstm_weights.h"
#include "weights/published_weights.h"

namespace trellis {
namespace {

UsageError usage_error(const std::string& what, const std::string& fix) { return {what, "command line", fix}; }

struct ImportFlags {
  std::string weights, lstm, data, run, words_file;
  std::vector<std::string> config, words, allow;
  AllowedDifferences allowed;

  CommandLine line() {
    CommandLine line("trellis checkpoint import (--weights FILE | --lstm FILE) --config FILE --data DIR --run DIR [flags] [section.option=value...]",
                     "Begins a run with weights from a safetensors file: a run directory with a checkpoint of step 0, which evaluate "
                     "and generate take, train --resume auto goes on with, and train --init-from begins another run from. "
                     "docs/weights.md has the names, and how to make such a file of the authors' pickles.");
    line.section("What")
        .add("weights", "FILE", "weights of a trellis network under the names of the paper's authors; exactly the network of the settings", weights)
        .on_ranks(CommandLine::OnRanks::place)
        .add("lstm", "FILE",
             "weights of PyTorch's nn.LSTM, which the network then equals: model.hidden = layers * width, model.outputs = width, model.embedding = "
             "input width, model.groups = layers or 0, model.weight_norm = false, model.levels at least train.window + layers - 1. May hold "
             "encoder.weight (which is the decoder's, too) and decoder.bias besides; what is not there is drawn as train would",
             lstm)
        .on_ranks(CommandLine::OnRanks::place)
        .add("words", "FILE",
             "the words of the rows of encoder.weight, one a line; without it the rows are in the order of the corpus's vocabulary", words_file)
        .on_ranks(CommandLine::OnRanks::place)
        .add_repeated("allow", "KEY[,KEY...]", AllowedDifferences::meaning(), allow);
    line.section("The run")
        .add_repeated("config", "FILE", "settings in INI form; may be given several times, later files win", config)
        .on_ranks(CommandLine::OnRanks::place)
        .add("data", "DIR", "corpus directory made by trellis-preprocess, to train or evaluate on", data)
        .on_ranks(CommandLine::OnRanks::place)
        .add("run", "DIR", "the run directory to make", run)
        .on_ranks(CommandLine::OnRanks::place)
        .positional("section.option=value", "settings that win over the files", words);
    return line;
  }

  void check() {
    if (weights.empty() == lstm.empty()) throw usage_error("give either --weights or --lstm", "trellis checkpoint import --help explains");
    if (data.empty()) throw usage_error("--data is missing", "give --data; trellis checkpoint import --help explains");
    if (run.empty()) throw usage_error("--run is missing", "give --run; trellis checkpoint import --help explains");
    if (!lstm.empty() && !allow.empty()) throw usage_error("--allow is for --weights", "leave it out: an LSTM's file names no network");
    allowed = AllowedDifferences(allow);
  }
};

// Steps of the longest window that training and its validation use.
std::int64_t longest_window(const Settings& settings) { return std::max<std::int64_t>(settings.train.window, validation_cut(settings).window); }

// What validate() says, but that the settings need not tell when the run ends: it may never be trained, and train asks for it.
void validate_to_import(const LoadedSettings& loaded) {
  Settings settings = loaded.settings;
  const auto& train = settings.train;
  if (train.steps == 0 && train.epochs == 0 && train.patience == 0 && train.seconds == 0) settings.train.steps = 1;
  validate(settings, loaded.origins);
}

// Fills `weights`, which hold initial values. Gives back what is to be told as a warning.
std::vector<std::string> read_weights(const ImportFlags& flags, const Settings& settings, const Dataset& data, const TrellisShape& shape,
                                      Parameters& weights) {
  const SafetensorsFile file = SafetensorsFile::open(flags.weights.empty() ? flags.lstm : flags.weights);
  if (!flags.lstm.empty()) expect_lstm_shape(shape, lstm_size(file), longest_window(settings));
  WordRows words;
  if (!flags.words_file.empty()) {
    if (!data.is_text()) throw UsageError("--words is for texts, and this is a corpus of sequences", flags.data, "leave it out");
    words = WordRows(flags.words_file, data.text().load_vocabulary(), shape.cutoffs);
  }
  TakingNetwork taking{.settings = settings, .data = data.identity(), .rows_known = !words.empty()};
  if (!words.empty()) taking.data["hash"] = words.vocabulary_hash();
  if (flags.lstm.empty()) {
    std::vector<std::string> told = expect_same_network(known_network(file), taking, flags.allowed);
    read_published_weights(file, shape, words, weights);
    return told;
  }
  const std::vector<std::string> absent = read_lstm_weights(file, shape, words, weights);
  if (!absent.empty()) log_info("not in {}, hence initial values of seed {}: {}", flags.lstm, settings.train.seed, fmt::join(absent, ", "));
  const bool has_words = std::find(absent.begin(), absent.end(), "embedding") == absent.end();
  if (!data.is_text() || !has_words || !words.empty()) return {};
  return {fmt::format("{} does not say which words its rows are: their order is taken to be that of the corpus's vocabulary", flags.lstm)};
}

ExitCode import_weights(const Ranks& ranks, const MpiSession& session, const ImportFlags& flags, const LoadedSettings& loaded) {
  const Settings& settings = loaded.settings;
  use_threads(settings.train.threads, session, ranks);
  const RunDirectory directory(flags.run);
  directory.refuse_existing(ranks.world);
  const Dataset data = agree(ranks.world, [&] {
    validate_to_import(loaded);
    Dataset opened = Dataset::open(flags.data);
    opened.expect_settings(settings);
    return opened;
  });
  Facts given = facts_of(settings);
  append(given, corpus_facts(data));
  expect_same_on_all(ranks.world, given);
  const TrellisShape shape = agree(ranks.world, [&] { return shape_from(settings, data.vocabulary_size()); });
  const at::TensorOptions options = number_type_from(settings);
  const MeshGroups groups = make_mesh_groups({.data = ranks.size()}, ranks.group, {});  // the weights read are whole
  const std::unique_ptr<Task> task = make_training_task(ranks, groups, data, settings, shape, 1, options);
  TrainingStep training(groups, *task, optimizer_rule_from(settings), options);
  const std::vector<std::string> told = agree(ranks.world, [&] {
    initialize(training.weights(), initial_values_from(settings), settings.train.seed);
    return read_weights(flags, settings, data, shape, training.weights());
  });
  expect_same_on_all(ranks.world, {weights_fact(training.weights())});
  warn_once(ranks, told);
  RunState state;
  if (settings.optimizer.averaging == Averaging::always) {
    training.optimizer().begin_averaging();
    state.averaged_updates = 0;
  }

  agree(ranks.world, [] { throw_if_stop_requested(); });
  const AnswersStops to_the_end;  // a checkpoint that is begun is finished
  const RunLock lock(ranks.world, directory.path());
  expect_shared(ranks.world, directory);
  directory.write_settings(ranks.world, to_ini(settings));
  const WriteReport report = save_checkpoint(ranks, directory.checkpoints(), training, {.run = state, .settings = settings, .data = data.identity()});
  if (ranks.rank() == 0) {
    print_output("{}: {} parameters\n", report.path.string(), format_count(static_cast<double>(training.weights().layout().count())));
  }
  return ExitCode::done;
}

int import_command(std::span<const std::string> arguments) {
  ImportFlags flags;
  LoadedSettings settings;
  CommandLine line = flags.line();
  const auto prepare = [&] {
    flags.check();
    settings = load_settings({flags.config.begin(), flags.config.end()}, flags.words);
    return true;
  };
  return run_on_ranks(line, arguments, prepare,
                      [&](const Ranks& ranks, const MpiSession& session) { return import_weights(ranks, session, flags, settings); });
}

struct ExportFlags {
  ChosenCheckpoint chosen;
  std::string weights;

  CommandLine line() {
    CommandLine line("trellis checkpoint export (--run DIR | --checkpoint DIR) --weights FILE [flags]",
                     "Writes a checkpoint's weights as a safetensors file under the names of the paper's authors, in the precision of "
                     "the run; the averages where the run averages. Rows of words are in the order of the corpus's vocabulary. "
                     "docs/weights.md has the names.");
    line.section("Flags");
    chosen.add_flags(line);
    line.add("weights", "FILE", "the file to write; nothing is overwritten", weights)
        .on_ranks(CommandLine::OnRanks::place);
    return line;
  }

  void check() const {
    chosen.check();
    if (weights.empty()) throw usage_error("--weights is missing", "give --weights; trellis checkpoint export --help explains");
  }
};

ExitCode export_weights(const Ranks& ranks, const ExportFlags& flags) {
  const CheckpointReader reader = flags.chosen.open(ranks);
  expect_same_on_all(ranks.world, {agree(ranks.world, [&] { return checkpoint_fact(reader); })});
  agree(ranks.world, [&] {
    if (ranks.rank() != 0) return;
    const CheckpointState state = read_state(reader);
    const bool classifier = state.settings.model.task == TaskKind::classifier;
    std::int64_t vocabulary = 0;
    if (!classifier) {
      try {
        vocabulary = state.data.at("words").get<std::int64_t>();
      } catch (const nlohmann::json::exception& e) {
        throw DataError(std::string("the state does not tell the vocabulary's size: ") + e.what(), reader.path().string(), "use another checkpoint");
      }
    }
    const TrellisShape shape = shape_from(state.settings, vocabulary);
    Parameters weights(ParameterLayout(shape), number_type_from(state.settings));
    load_weights(reader, weights);
    write_published_weights(flags.weights, shape, weights, network_metadata(state));
    print_output("{}: the weights of {}\n", flags.weights, reader.path().string());
  });
  return ExitCode::done;
}

int export_command(std::span<const std::string> arguments) {
  ExportFlags flags;
  CommandLine line = flags.line();
  const auto prepare = [&] {
    flags.check();
    return true;
  };
  return run_on_ranks(line, arguments, prepare, [&](const Ranks& ranks, const MpiSession&) { return export_weights(ranks, flags); });
}

}  // namespace

int checkpoint_command(std::span<const std::string> arguments) {
  const Command commands[] = {
      {"import", "begin a run with weights from a file", import_command},
      {"export", "write a checkpoint's weights as a file", export_command},
  };
  return dispatch("trellis checkpoint", "Weights from other tools, and for them, as safetensors files: docs/weights.md.", commands, arguments);
}

}  // namespace trellis
