// trellis plan: which mesh to choose for a number of ranks, before a cluster is spent on it.
#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "base/output.h"
#include "cli/commands.h"
#include "cli/plan_report.h"
#include "config/command_line.h"
#include "config/settings_io.h"
#include "config/settings_ranks.h"
#include "config/settings_validate.h"
#include "corpus/vocabulary.h"
#include "mpi/agreement.h"
#include "mpi/same_on_all.h"
#include "predict/mesh_search.h"
#include "ranks/ranks_environment.h"
#include "train/compute_device.h"
#include "train/dataset.h"
#include "train/from_settings.h"
#include "trainer/measured_rates.h"
#include "train/rank_facts.h"
#include "trainer/run_calendar.h"
#include "trainer/run_numbers_from.h"

namespace trellis {
namespace {

struct PlanFlags {
  std::vector<std::string> config, words;
  std::string data;
  std::int64_t ranks = 0, vocabulary = 0, ranks_per_node = 0, top = 10;
  double device_memory = 0, flops = Rates{}.flops, memory_bandwidth = 0;
  double intra_bandwidth = Rates{}.intra.bytes_per_second, inter_bandwidth = Rates{}.inter.bytes_per_second;
  double intra_latency = Rates{}.intra.latency_seconds, inter_latency = Rates{}.inter.latency_seconds;
  bool measure = false, json = false;
  LoadedSettings loaded;

  CommandLine line() {
    CommandLine line(
        "trellis plan --config FILE --ranks N (--data DIR | --vocabulary N) [flags] [section.option=value...]",
        "Predicts memory, traffic and time of a step for every mesh of so many ranks - replicas, stages, ranks that share the\n"
        "vocabulary, chunks - and lists them best first; with a corpus also the time of a pass and of the whole run. What [mesh] says\n"
        "in the file or on the command line is kept. Numbers of the machine are assumed, or measured with --measure, by one process\n"
        "or, with messages, under mpirun.");
    line.section("What is planned")
        .add_repeated("config", "FILE", "settings in INI form; may be given several times, later files win", config)
        .on_ranks(CommandLine::OnRanks::place)
        .add("ranks", "N", "ranks to plan for; 0: those that are running, with --measure", ranks, {0, 1 << 20})
        .add("data", "DIR", "corpus directory: its vocabulary and how often its words occur", data)
        .on_ranks(CommandLine::OnRanks::place)
        .add("vocabulary", "N", "words, where there is no corpus yet; they then follow Zipf's law", vocabulary, {0, 1'000'000'000})
        .positional("section.option=value", "settings that win over the file", words);
    line.section("The machine")
        .add("device-memory", "BYTES", "of a rank's device, as 80e9; what needs more is listed last; 0: unknown", device_memory)
        .add("flops", "RATE", "operations a second that a rank's matrix products reach", flops)
        .add("memory-bandwidth", "RATE", "bytes a second between a rank and its memory; 0: a fifth of --flops, at most 2e12",
             memory_bandwidth)
        .add("intra-bandwidth", "RATE", "bytes a second that a rank sends within its node", intra_bandwidth)
        .add("inter-bandwidth", "RATE", "bytes a second that a rank sends to other nodes", inter_bandwidth)
        .add("intra-latency", "SECONDS", "of a message within a node", intra_latency)
        .add("inter-latency", "SECONDS", "of a message between nodes", inter_latency)
        .add("ranks-per-node", "N", "ranks of a node; 0: all are in one", ranks_per_node, {0, 1 << 20})
        .add_switch("measure",
                    "time the network's levels, loss, update and messages here, for some seconds, in place of --flops,\n"
                    "--memory-bandwidth, --intra-bandwidth and --intra-latency",
                    measure);
    line.section("Output")
        .add("top", "N", "meshes in the table", top, {1, 1'000'000})
        .add_switch("json", "all meshes as one JSON object", json);
    return line;
  }

  void read() {
    const auto wrong = [](const std::string& what, const std::string& fix) { throw UsageError(what, "command line", fix); };
    if (config.empty()) wrong("--config is missing", "give --config; trellis plan --help explains");
    if (ranks == 0 && !measure) wrong("--ranks is missing", "give the number of ranks to plan for");
    if (data.empty() == (vocabulary == 0)) {
      wrong(data.empty() ? "neither --data nor --vocabulary is given" : "--data and --vocabulary exclude each other",
            "give --data DIR, or --vocabulary with the number of words");
    }
    const std::pair<const char*, double> positive[] = {
        {"flops", flops}, {"intra-bandwidth", intra_bandwidth}, {"inter-bandwidth", inter_bandwidth}};
    for (const auto& [name, value] : positive) {
      if (!(value > 0) || !std::isfinite(value))
        wrong(fmt::format("--{} is {}, expected a number above 0", name, value), "give it in units a second, as 1e11");
    }
    const std::pair<const char*, double> at_least_zero[] = {{"device-memory", device_memory},
                                                            {"memory-bandwidth", memory_bandwidth},
                                                            {"intra-latency", intra_latency},
                                                            {"inter-latency", inter_latency}};
    for (const auto& [name, value] : at_least_zero) {
      if (!(value >= 0) || value > 1e18)
        wrong(fmt::format("--{} is {}, expected a number from 0 to 1e18", name, value), "leave it out where it is unknown");
    }
    loaded = load_settings({config.begin(), config.end()}, words);
    if (loaded.settings.model.task == TaskKind::classifier) {
      throw ConfigError("model.task is classifier, whose ranks can only be replicas: there is nothing to plan", "model.task",
                        "train it with mesh.data, or plan for a language model");
    }
    Settings checked = loaded.settings;
    if (checked.train.steps == 0 && checked.train.epochs == 0) checked.train.epochs = 1;  // how long the run is does not matter here
    checked.mesh = {};                                                                    // held against the ranks later
    validate(checked, loaded.origins);
  }

  Rates rates() const {
    Rates rates;
    rates.flops = flops;
    rates.memory_bandwidth = memory_bandwidth > 0 ? memory_bandwidth : std::min(flops / 5, 2e12);
    rates.intra = {.bytes_per_second = intra_bandwidth, .latency_seconds = intra_latency};
    rates.inter = {.bytes_per_second = inter_bandwidth, .latency_seconds = inter_latency};
    rates.ranks_per_node = static_cast<int>(ranks_per_node);
    rates.device_memory = static_cast<std::int64_t>(device_memory);
    return rates;
  }

  RunNumbers run_numbers(bool gpu) const {
    std::vector<std::uint64_t> counts;
    std::int64_t words_known = vocabulary;
    if (!data.empty()) {
      const Dataset dataset = Dataset::open(data);
      dataset.expect_settings(loaded.settings);
      counts = dataset.text().load_vocabulary().counts();
      words_known = dataset.vocabulary_size();
    }
    RunNumbers run = run_numbers_from(loaded.settings, shape_from(loaded.settings, words_known), gpu);
    if (!counts.empty()) run.cluster_shares = shares_of_counts(counts, run.shape.cutoffs);
    return run;
  }

  PlanLength length(const RunNumbers& run) const {
    const Settings& settings = loaded.settings;
    PlanLength length{.scored_in_step = static_cast<double>(run.lanes * run.scored_steps() * run.accumulate)};
    if (data.empty()) {
      if (settings.train.steps == 0) return length;
      length.total_steps = settings.train.steps;
      length.text = fmt::format("the run ends at step {} (train.steps); with --data also by train.epochs, and with its validations", settings.train.steps);
      return length;
    }
    const Dataset dataset = Dataset::open(data);
    const std::int64_t of_pass = steps_of_text_pass(dataset.text().tokens("train"), settings.train, "split 'train' of " + data);
    const bool validates = dataset.has_split("valid");
    length.calendar = run_calendar(settings, of_pass, validates);
    length.total_steps = length.calendar->total_steps;
    if (validates) length.scored_in_validation = static_cast<double>(dataset.text().tokens("valid"));
    length.text = end_text(settings.train, of_pass);
    return length;
  }

  void print(const RunNumbers& run, const Rates& known, int for_ranks) const {
    const std::vector<PlanReport> reports = search_meshes(run, for_ranks, mesh_wishes_from(loaded.settings, loaded.origins), known);
    const PlanHeading heading{.ranks = for_ranks, .measured = measure, .length = length(run)};
    write_output(json ? plan_json(run, known, heading, reports) : plan_table(run, known, heading, reports, static_cast<int>(top)));
  }
};

ExitCode measure_and_print(const PlanFlags& flags, const Ranks& ranks, const MpiSession& session) {
  const Settings& settings = flags.loaded.settings;
  Facts given = facts_of(settings);
  if (!flags.data.empty()) append(given, agree(ranks.world, [&] { return corpus_facts(Dataset::open(flags.data)); }));
  expect_same_on_all(ranks.world, given);
  use_threads(settings.train.threads, session, ranks);
  const int for_ranks = flags.ranks > 0 ? static_cast<int>(flags.ranks) : ranks.size();
  const at::Device device = choose_device(ranks.world, settings.train.device);
  const MeshGroups groups = mesh_groups_on(ranks, device, Mesh{.data = ranks.size()});
  const RunNumbers run = agree(ranks.world, [&] { return flags.run_numbers(device.is_cuda()); });
  const at::TensorOptions options = agree(ranks.world, [&] { return tensor_options_from(settings, device); });
  // between the lanes of a whole batch and those of as many replicas as there can be
  const double most_replicas = static_cast<double>(std::min<std::int64_t>(for_ranks, run.lanes));
  const auto lanes = static_cast<std::int64_t>(std::ceil(static_cast<double>(run.lanes) / std::sqrt(most_replicas)));
  const Rates measured = measure_rates(ranks, groups.world, settings, run, lanes, options, flags.rates());
  agree(ranks.world, [&] {
    if (ranks.rank() == 0) flags.print(run, measured, for_ranks);
  });
  return ExitCode::done;
}

}  // namespace

int plan_command(std::span<const std::string> arguments) {
  PlanFlags flags;
  CommandLine line = flags.line();
  const auto prepare = [&] {
    flags.read();
    if (!flags.measure)
      flags.print(flags.run_numbers(flags.loaded.settings.train.device == DeviceChoice::cuda), flags.rates(),
                  static_cast<int>(flags.ranks));
    return flags.measure;
  };
  return run_on_ranks(line, arguments, prepare,
                      [&](const Ranks& ranks, const MpiSession& session) { return measure_and_print(flags, ranks, session); });
}

}  // namespace trellis
