// trellis evaluate: how good a checkpoint is on a split.
#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numbers>
#include <optional>
#include <utility>

#include "base/log.h"
#include "base/output.h"
#include "base/stop_request.h"
#include "base/time_span.h"
#include "cli/chosen_checkpoint.h"
#include "cli/commands.h"
#include "config/command_line.h"
#include "corpus/text_bits.h"
#include "mpi/agreement.h"
#include "mpi/same_on_all.h"
#include "plan/elementary.h"
#include "plan/evaluation_lanes.h"
#include "ranks/ranks_environment.h"
#include "report/token_log.h"
#include "report/wording.h"
#include "report/work_progress.h"
#include "train/compute_device.h"
#include "train/from_settings.h"
#include "train/make_task.h"
#include "trainer/checkpointing.h"
#include "train/rank_facts.h"

namespace trellis {
namespace {

constexpr std::int64_t kAsTrained = -1, kByRule = -1;

struct EvaluateFlags {
  ChosenCheckpoint chosen;
  std::string data, split = "test", precision, log_probabilities;
  std::int64_t lanes = 0, window = 0, discard = kAsTrained, context = kByRule, limit = 0, threads = 0;
  bool exact = false, like_scripts = false, json = false;

  CommandLine line() {
    CommandLine line("trellis evaluate (--run DIR | --checkpoint DIR) --data DIR [flags]",
                     "Of a language model the perplexity and bits per token of a split, the mean over all tokens scored, and bits per\n"
                     "character and byte of the text; of a classifier its accuracy. Every token of the text but the first is scored: in many\n"
                     "lanes side by side, which is fast, each with enough context before it, or with --exact in one lane, with all the history\n"
                     "before it. Works on any number of MPI ranks, whatever wrote the checkpoint; lanes are dealt to the ranks.\n"
                     "Stopped by a signal it ends with code 75 and without a result.");
    line.section("What");
    chosen.add_flags(line);
    line.add("data", "DIR", "corpus directory with the vocabulary that the network was trained with", data)
        .on_ranks(CommandLine::OnRanks::place)
        .add("split", "NAME", "train, valid or test", split);
    line.section("How the split is cut")
        .add_switch("exact", "one lane: every token is scored with all the history before it", exact)
        .add("lanes", "N", "pieces side by side; 0: of a text as many as make it fast, valid.lanes for sequences and with --like-scripts", lanes,
             {0, 1'000'000})
        .add("context", "STEPS", "tokens of the lane before that every lane but the first reads without scoring; 0: each begins afresh, and "
                                 "its first token is not scored; -1: enough for the figure of one lane", context, {kByRule, 100'000'000})
        .add("limit", "N", "only the split's first so many tokens (or sequences); 0: all of them", limit, {0, std::int64_t{1} << 53})
        .add("window", "STEPS", "time steps of a window; 0: as in training", window, {0, 1'000'000})
        .add("discard", "STEPS", "0: history is handed on from window to window; more: windows overlap by so many steps, which build up "
                                 "history and are not scored again; -1: as in training", discard, {kAsTrained, 1'000'000})
        .add_switch("like-scripts", "as the paper's published scripts: what does not fill a lane is left out, every lane begins afresh, and "
                                    "with --discard no lane's first steps are scored", like_scripts);
    line.section("Output")
        .add("log-probabilities", "FILE", "write position, id, token and log-probability of every scored token", log_probabilities)
        .add_switch("json", "print one JSON object instead of text", json);
    line.section("Computation")
        .add("precision", "float32|float64", "numbers to compute with; as in training unless given, but where lanes of float32 are cut by rule, "
                                             "CPUs with AMX multiply by bfloat16 parts, right to 2^-16", precision)
        .add("threads", "N", "CPU threads a rank; 0: cores over the ranks of the machine", threads, {0, 4096})
        .on_ranks(CommandLine::OnRanks::own);
    return line;
  }

  void check() const {
    const auto wrong = [](const std::string& what, const std::string& fix) { throw UsageError(what, "command line", fix); };
    chosen.check();
    if (data.empty()) wrong("--data is missing", "give --data; trellis evaluate --help explains");
    if (split != "train" && split != "valid" && split != "test") wrong("--split is '" + split + "'", "give train, valid or test");
    if (!precision.empty() && precision != "float32" && precision != "float64") wrong("--precision is '" + precision + "'", "give float32 or float64");
    if (exact && (lanes > 1 || context > 0 || like_scripts)) wrong("--exact is one lane, and has no --lanes, --context or --like-scripts", "leave them out");
    if (like_scripts && context > 0) wrong("--like-scripts has no --context", "leave one of them out");
  }

  // Whether numbers just below float32 will do: where nobody says how a text is cut, so that no other figure is there to be met.
  bool takes_split_products(const EvaluationCut& cut) const { return precision.empty() && lanes == 0 && !exact && !like_scripts && cut.lanes > 1; }

  EvaluationCut cut(const Settings& settings, const TrellisShape& shape, const Dataset& corpus) const {
    EvaluationCut cut = validation_cut(settings);
    if (limit > 0) cut.limit = limit;
    if (lanes > 0) cut.lanes = lanes;
    if (!corpus.is_text()) {
      if (exact) cut.lanes = 1;
      return cut;
    }
    cut.window = window > 0 ? window : settings.train.window;
    if (discard != kAsTrained) cut.discard = discard;
    cut.like_scripts = like_scripts;
    if (like_scripts) return cut;
    cut.context = context == kByRule ? enough_context(cut.window, cut.discard, shape.reach()) : context;
    if (exact) {
      cut.lanes = 1;
    } else if (lanes == 0) {
      const std::int64_t tokens = corpus.text().tokens(split);
      const std::int64_t stride = std::max<std::int64_t>(1, cut.window - cut.discard);  // windows without new steps are refused below
      cut.lanes = lanes_for_evaluation(limit > 0 ? std::min(limit, tokens) : tokens, stride, cut.context);
    }
    if (cut.lanes == 1) cut.context = 0;
    return cut;
  }
  // Flags that mean nothing for sequences.
  void check_for_sequences() const {
    if (context != kByRule || window > 0 || discard != kAsTrained || like_scripts || !log_probabilities.empty()) {
      throw UsageError("--context, --window, --discard, --like-scripts and --log-probabilities are for texts, and this is a corpus of sequences",
                       data, "leave them out");
    }
  }
};

// Collective. Rank 0 writes what every rank scored, in rank order, a block at a time.
void write_log(const Ranks& ranks, const EvaluateFlags& flags, const Dataset& data, TokenLog* log, const std::vector<ScoredToken>& own) {
  constexpr std::int64_t kBlock = 1 << 18;
  const bool writes = log != nullptr;
  std::optional<Vocabulary> vocabulary;
  std::shared_ptr<const TokenReader> tokens;
  agree(ranks.world, [&] {
    if (!writes) return;
    vocabulary = data.text().load_vocabulary();
    tokens = data.text().open_split(flags.split, Verify::structure);
  });
  const std::vector<std::int64_t> counts = ranks.world.all_gather(static_cast<std::int64_t>(own.size()));
  std::vector<ScoredToken> block;
  std::vector<std::uint32_t> ids(1);
  for (int owner = 0; owner < ranks.size(); ++owner) {
    for (std::int64_t first = 0; first < counts[static_cast<std::size_t>(owner)]; first += kBlock) {
      const std::int64_t count = std::min(kBlock, counts[static_cast<std::size_t>(owner)] - first);
      block.resize(static_cast<std::size_t>(count));
      if (owner == ranks.rank()) std::copy_n(own.begin() + first, count, block.begin());
      ranks.world.broadcast(std::as_writable_bytes(std::span(block)), owner);
      agree(ranks.world, [&] {
        throw_if_stop_requested();
        if (!writes) return;
        for (const ScoredToken& scored : block) {
          tokens->read(scored.position, ids);
          log->write(scored.position, ids[0], (*vocabulary)[ids[0]], scored.log_probability);
        }
      });
    }
  }
  agree(ranks.world, [&] {
    if (writes) log->finish();
  });
}

// What became of the tokens of a split.
struct Coverage {
  std::int64_t in_split = 0, scored = 0;
  std::int64_t beyond_limit = 0, of_lanes = 0, at_end = 0;  // not scored: the rest, by reason

  std::int64_t not_scored() const { return in_split - scored; }
  bool complete() const { return not_scored() == 1; }  // the first token is predicted by nothing
};

Coverage coverage_of(const EvaluateFlags& flags, const WindowPlan& plan, std::int64_t in_split) {
  const std::int64_t scored = plan.scored_tokens(), beyond = flags.limit > 0 ? std::max<std::int64_t>(0, in_split - 1 - flags.limit) : 0;
  const std::int64_t at_end = plan.left_out();
  return {.in_split = in_split, .scored = scored, .beyond_limit = beyond, .of_lanes = in_split - scored - beyond - at_end, .at_end = at_end};
}

// Why tokens are not scored, where that is more than the first one of the text.
std::string reasons(const Coverage& coverage, const EvaluationCut& cut) {
  std::string text;
  const auto add = [&](std::int64_t count, const std::string& reason) {
    if (count > 0) text += fmt::format("{}{} {}", text.empty() ? "" : "; ", count, reason);
  };
  add(coverage.beyond_limit, "beyond --limit");
  const std::string first = cut.like_scripts && cut.discard > 0 ? fmt::format("the first {}", 1 + cut.discard) : "the first";
  if (cut.lanes == 1 || cut.context > 0) {
    add(coverage.of_lanes, first + " of the text");
  } else {
    add(coverage.of_lanes, fmt::format("{} of each lane, which begins afresh{}", first, cut.like_scripts ? "" : " (--context gives it history)"));
  }
  add(coverage.at_end, "at the end, which fill no lane");
  return text;
}

std::string in_lanes(const EvaluationCut& cut) {
  return fmt::format("{} lane(s){}, windows of {} steps, {}", cut.lanes, cut.context > 0 ? fmt::format(" with {} tokens of context", cut.context) : "",
                     cut.window,
                     cut.discard > 0 ? fmt::format("history discarded, {} steps to build it up", cut.discard) : "history handed on");
}

struct Evaluated {
  std::string checkpoint, split, unit;
  std::int64_t step = 0;
  EvaluationCut cut;
  bool split_products = false;
  EvaluationResult result;
};

void print_sequences(const Evaluated& evaluated, std::int64_t in_split, bool json) {
  const EvaluationResult& result = evaluated.result;
  if (json) {
    print_output("{}\n", nlohmann::json{{"checkpoint", evaluated.checkpoint}, {"step", evaluated.step}, {"split", evaluated.split}, {"unit", evaluated.unit},
                                      {"lanes", evaluated.cut.lanes}, {"sequences", result.scored}, {"split_sequences", in_split},
                                      {"loss_nats_per_sequence", result.loss_nats}, {"accuracy", *result.accuracy}}.dump());
    return;
  }
  const std::string of = result.scored < in_split ? fmt::format(" of {} (--limit)", in_split) : "";
  print_output("checkpoint  {}\nsplit       {}: {} sequences{}\nloss        {:.6f} nats a sequence\naccuracy    {}\n", evaluated.checkpoint, evaluated.split,
             result.scored, of, result.loss_nats, format_accuracy(*result.accuracy));
}

// Bits of the text that the tokens were made of are told where all of them are scored.
void print_text(const Evaluated& evaluated, const Coverage& coverage, const SplitEntry& entry, bool json) {
  const EvaluationResult& result = evaluated.result;
  const EvaluationCut& cut = evaluated.cut;
  const double bits = result.loss_nats / std::numbers::ln2, perplexity = exponential(result.loss_nats), unknown = unknown_share(entry);
  const std::vector<TextBits> of_text = coverage.complete() ? text_bits(result.loss_nats, entry) : std::vector<TextBits>();
  if (json) {
    nlohmann::json object{{"checkpoint", evaluated.checkpoint}, {"step", evaluated.step}, {"split", evaluated.split}, {"unit", evaluated.unit},
                          {"lanes", cut.lanes}, {"tokens", result.scored}, {"split_tokens", coverage.in_split}, {"not_scored", coverage.not_scored()},
                          {"split_products", evaluated.split_products},
                          {"window", cut.window}, {"discard", cut.discard}, {"context", cut.context}, {"loss_nats_per_token", result.loss_nats},
                          {"perplexity", perplexity}, {"bits_per_token", bits}, {"unknown_share", unknown}};
    if (cut.limit) object["limit"] = *cut.limit;
    for (const TextBits& each : of_text) object["bits_per_" + std::string(each.unit)] = each.bits;
    print_output("{}\n", object.dump());
    return;
  }
  print_output("checkpoint  {}\nsplit       {}: {} of {} tokens scored ({})\n", evaluated.checkpoint, evaluated.split, result.scored, coverage.in_split,
             in_lanes(cut));
  if (!coverage.complete()) print_output("not scored  {}: {}\n", coverage.not_scored(), reasons(coverage, cut));
  print_output("loss        {:.6f} nats a token\nperplexity  {:.4f}\nbits        {:.6f} a {}\n", result.loss_nats, perplexity, bits, evaluated.unit);
  for (const TextBits& each : of_text) print_output("            {:.6f} a {} of the text\n", each.bits, each.unit);
  if (of_text.empty() && coverage.complete()) {
    print_output("            a character and a byte: not known of a corpus of this age; preprocess the text again\n");
  }
  if (entry.unknown > 0) print_output("<unk>       {:.2f} % of the split's tokens: the words behind them are not predicted\n", 100 * unknown);
}

// Collective. The evaluation itself, with its progress and in the end its speed on rank 0's standard error.
template <class Run>
EvaluationResult with_progress(const Ranks& ranks, Evaluator& evaluator, const std::string& unit, Run&& run) {
  const double begun = steady_seconds();
  std::optional<WorkProgress> progress;
  if (ranks.rank() == 0) {
    progress.emplace(stderr, unit, begun);
    evaluator.on_progress([&](std::int64_t done, std::int64_t all) { progress->at(done, all, steady_seconds()); });
  }
  const EvaluationResult result = run();
  progress.reset();
  const double seconds = std::max(steady_seconds() - begun, 1e-9);
  log_info("scored {} {} in {:.2f} s, {:.0f} {}/s", result.scored, unit, seconds, static_cast<double>(result.scored) / seconds, unit);
  return result;
}

ExitCode evaluate(const Ranks& ranks, const MpiSession& session, const EvaluateFlags& flags) {
  use_threads(flags.threads, session, ranks);
  const CheckpointReader reader = flags.chosen.open(ranks);
  CheckpointState state = agree(ranks.world, [&] { return read_state(reader); });
  const Dataset data = agree(ranks.world, [&] {
    Dataset opened = Dataset::open(flags.data);
    opened.expect_identity(state.data);
    if (!opened.is_text()) flags.check_for_sequences();
    return opened;
  });
  Facts seen = corpus_facts(data);
  seen.push_back(agree(ranks.world, [&] { return checkpoint_fact(reader); }));
  expect_same_on_all(ranks.world, seen);
  // as patient as the run, whose limit may have been short for its steps
  ranks.group.set_timeout(std::max<std::chrono::milliseconds>(kDefaultWatchdogTimeout, std::chrono::seconds(state.settings.mesh.timeout)));
  if (!flags.precision.empty()) state.settings.train.precision = flags.precision == "float64" ? Precision::float64 : Precision::float32;
  const TrellisShape shape = agree(ranks.world, [&] { return shape_from(state.settings, data.vocabulary_size()); });
  const EvaluationCut cut = agree(ranks.world, [&] { return flags.cut(state.settings, shape, data); });
  const at::TensorOptions options = evaluation_options(ranks.world, state.settings);
  const bool splits = data.is_text() && flags.takes_split_products(cut) && use_split_products_on_all(ranks.world, options);
  if (splits) log_info("levels multiply by bfloat16 parts of float32 numbers, right to 2^-16; --precision float32 multiplies plainly");

  const bool logs = !flags.log_probabilities.empty() && ranks.rank() == 0;
  // A name that is taken, or a place that cannot be written, is told before the work, which leaves nothing if it is cut off.
  agree(ranks.world, [&] {
    if (logs) TokenLog{flags.log_probabilities};
  });
  Parameters weights(ParameterLayout(shape), options);
  agree(ranks.world, [&] { load_weights(reader, weights); });
  const MeshGroups groups = make_mesh_groups({.data = ranks.size()}, ranks.group, {});  // every rank has all weights
  // Nothing is kept of an evaluation that a signal cuts off.
  const auto at_pause = [&](const Pause& pause) {
    if (!pause.stop) return;
    throw AgreedError<ExitCode::stopped_early>(fmt::format("stopped by a signal after {} of {} windows: there is no result", pause.done, pause.count),
                                               "", "", ranks.size());
  };
  std::optional<AnswersStops> answers_stops(std::in_place);
  Evaluated evaluated{.checkpoint = reader.path().string(), .split = flags.split, .unit = std::string(data.unit()), .step = reader.step(),
                      .cut = cut, .split_products = splits, .result = {}};
  const auto expect_finite = [&] {
    if (std::isfinite(evaluated.result.loss_nats)) return;
    throw AgreedError<ExitCode::numeric_failure>("the loss is not finite", reader.path().string(), "evaluate another checkpoint", ranks.size());
  };
  if (!data.is_text()) {
    const std::unique_ptr<Evaluator> evaluator = make_evaluator(ranks, groups, data, flags.split, cut, state.settings, shape, options);
    const std::int64_t in_split = data.sequences().sequences(flags.split);
    log_info("evaluating {} on '{}' of {}: {} sequences, {} at once", evaluated.checkpoint, flags.split, flags.data, in_split, cut.lanes);
    evaluated.result = with_progress(ranks, *evaluator, "sequences", [&] { return evaluator->run(weights, at_pause); });
    expect_finite();
    if (ranks.rank() == 0) print_sequences(evaluated, in_split, flags.json);
    return ExitCode::done;
  }
  const std::unique_ptr<LanguageModelEvaluator> evaluator = make_text_evaluator(ranks, groups, data, flags.split, cut, shape, options);
  const SplitEntry& entry = data.text().manifest().splits.at(flags.split);
  const Coverage coverage = coverage_of(flags, evaluator->plan(), entry.tokens);
  log_info("evaluating {} on '{}' of {}: {} of {} tokens in {}", evaluated.checkpoint, flags.split, flags.data, coverage.scored, coverage.in_split, in_lanes(cut));
  std::vector<ScoredToken> scored;
  evaluated.result = with_progress(ranks, *evaluator, "tokens", [&] {
    return flags.log_probabilities.empty() ? evaluator->run(weights, at_pause) : evaluator->run(weights, at_pause, scored);
  });
  if (!flags.log_probabilities.empty()) {
    answers_stops.reset();
    std::optional<TokenLog> log;
    agree(ranks.world, [&] {
      if (logs) log.emplace(flags.log_probabilities);
    });
    write_log(ranks, flags, data, log ? &*log : nullptr, scored);
  }
  expect_finite();
  if (ranks.rank() == 0) print_text(evaluated, coverage, entry, flags.json);
  return ExitCode::done;
}

}  // namespace

int evaluate_command(std::span<const std::string> arguments) {
  EvaluateFlags flags;
  CommandLine line = flags.line();
  const auto prepare = [&] {
    flags.check();
    return true;
  };
  return run_on_ranks(line, arguments, prepare, [&](const Ranks& ranks, const MpiSession& session) { return evaluate(ranks, session, flags); });
}

}  // namespace trellis
