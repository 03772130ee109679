// trellis evaluate: how good a checkpoint is on a split.
#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numbers>
#include <optional>

#include "cli/chosen_checkpoint.h"
#include "cli/commands.h"
#include "cli/ranks_environment.h"
#include "config/command_line.h"
#include "mpi/agreement.h"
#include "mpi/same_on_all.h"
#include "report/format.h"
#include "report/token_log.h"
#include "train/checkpointing.h"
#include "train/compute_device.h"
#include "train/from_settings.h"
#include "train/make_task.h"
#include "train/rank_facts.h"

namespace trellis {
namespace {

constexpr std::int64_t kAsTrained = -1;

struct EvaluateFlags {
  ChosenCheckpoint chosen;
  std::string data, split = "test", precision, log_probabilities;
  std::int64_t lanes = 0, window = 0, discard = kAsTrained, context = 0, threads = 0;
  bool like_scripts = false, json = false;

  CommandLine line() {
    CommandLine line("trellis evaluate (--run DIR | --checkpoint DIR) --data DIR [flags]",
                     "Of a language model the perplexity and bits per token of a split, the mean over all tokens scored; of a classifier\n"
                     "its accuracy. With one lane every token of the text but the first is scored, each with all the history before it.\n"
                     "Works on any number of MPI ranks, whatever wrote the checkpoint; lanes are dealt to the ranks.");
    line.section("What");
    chosen.add_flags(line);
    line.add("data", "DIR", "corpus directory with the vocabulary that the network was trained with", data)
        .on_ranks(CommandLine::OnRanks::place)
        .add("split", "NAME", "train, valid or test", split);
    line.section("How the split is cut")
        .add("lanes", "N", "pieces side by side; 0: one for a text, valid.lanes for sequences and with --like-scripts", lanes, {0, 1'000'000})
        .add("context", "STEPS", "tokens of the lane before that every lane but the first reads without scoring; 0: each begins afresh, and "
                                 "its first token is not scored", context, {0, 100'000'000})
        .add("window", "STEPS", "time steps of a window; 0: as in training", window, {0, 1'000'000})
        .add("discard", "STEPS", "0: history is handed on from window to window; more: windows overlap by so many steps, which build up "
                                 "history and are not scored again; -1: as in training", discard, {kAsTrained, 1'000'000})
        .add_switch("like-scripts", "as the paper's published scripts: what does not fill a lane is left out, every lane begins afresh, and "
                                    "with --discard no lane's first steps are scored", like_scripts);
    line.section("Output")
        .add("log-probabilities", "FILE", "write position, id, token and log-probability of every scored token", log_probabilities)
        .add_switch("json", "print one JSON object instead of text", json);
    line.section("Computation")
        .add("precision", "float32|float64", "numbers to compute with; as in training unless given", precision)
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
    if (like_scripts && context > 0) wrong("--like-scripts has no --context", "leave one of them out");
  }

  EvaluationCut cut(const Settings& settings, bool text) const {
    const EvaluationCut trained = validation_cut(settings);
    return {.lanes = lanes > 0 ? lanes : text && !like_scripts ? 1 : trained.lanes,
            .window = window > 0 ? window : settings.train.window,
            .discard = discard == kAsTrained ? trained.discard : discard,
            .context = context,
            .like_scripts = like_scripts};
  }
  // Flags that mean nothing for sequences.
  void check_for_sequences() const {
    if (context > 0 || window > 0 || discard != kAsTrained || like_scripts || !log_probabilities.empty()) {
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

void print(const EvaluateFlags& flags, const EvaluationCut& cut, const CheckpointReader& reader, const Dataset& data, const EvaluationResult& result) {
  const double bits = result.loss_nats / std::numbers::ln2, perplexity = std::exp(result.loss_nats);
  const std::string unit(data.unit()), checkpoint = reader.path().string();
  if (flags.json) {
    nlohmann::json json{{"checkpoint", checkpoint}, {"step", reader.step()}, {"split", flags.split}, {"unit", unit}, {"lanes", cut.lanes}};
    if (result.accuracy) {
      json.update({{"sequences", result.scored}, {"loss_nats_per_sequence", result.loss_nats}, {"accuracy", *result.accuracy}});
    } else {
      json.update({{"tokens", result.scored}, {"window", cut.window}, {"discard", cut.discard}, {"context", cut.context},
                   {"loss_nats_per_token", result.loss_nats}, {"perplexity", perplexity}, {"bits_per_token", bits}});
    }
    fmt::print("{}\n", json.dump());
  } else if (result.accuracy) {
    fmt::print("checkpoint  {}\nsplit       {}: {} sequences\nloss        {:.6f} nats a sequence\naccuracy    {}\n", checkpoint, flags.split,
               result.scored, result.loss_nats, format_accuracy(*result.accuracy));
  } else {
    const std::string history = cut.discard > 0 ? fmt::format("history discarded, {} steps to build it up", cut.discard) : "history handed on";
    fmt::print("checkpoint  {}\nsplit       {}: {} tokens scored ({} lane(s), windows of {} steps, {})\nloss        {:.6f} nats a token\n"
               "perplexity  {:.4f}\nbits        {:.6f} a {}\n",
               checkpoint, flags.split, result.scored, cut.lanes, cut.window, history, result.loss_nats, perplexity, bits, unit);
  }
}

ExitCode evaluate(const Ranks& ranks, const MpiSession& session, const EvaluateFlags& flags) {
  use_threads(static_cast<int>(flags.threads), session);
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
  const EvaluationCut cut = flags.cut(state.settings, data.is_text());
  const TrellisShape shape = agree(ranks.world, [&] { return shape_from(state.settings, data.vocabulary_size()); });
  const at::TensorOptions options = evaluation_options(ranks.world, state.settings);

  const bool logs = !flags.log_probabilities.empty() && ranks.rank() == 0;
  // A name that is taken, or a place that cannot be written, is told before the work, which leaves nothing if it is cut off.
  agree(ranks.world, [&] {
    if (logs) TokenLog{flags.log_probabilities};
  });
  Parameters weights(ParameterLayout(shape), options);
  agree(ranks.world, [&] { load_weights(reader, weights); });
  const MeshGroups groups = make_mesh_groups({.data = ranks.size()}, ranks.group, {});  // every rank has all weights
  EvaluationResult result;
  if (flags.log_probabilities.empty()) {
    result = make_evaluator(ranks, groups, data, flags.split, cut, state.settings, shape, options)->run(weights);
  } else {
    std::vector<ScoredToken> scored;
    result = make_text_evaluator(ranks, groups, data, flags.split, cut, shape, options)->run(weights, scored);
    std::optional<TokenLog> log;
    agree(ranks.world, [&] {
      if (logs) log.emplace(flags.log_probabilities);
    });
    write_log(ranks, flags, data, log ? &*log : nullptr, scored);
  }
  if (!std::isfinite(result.loss_nats)) {
    throw AgreedError<ExitCode::numeric_failure>("the loss is not finite", reader.path().string(), "evaluate another checkpoint", ranks.size());
  }
  if (ranks.rank() == 0) print(flags, cut, reader, data, result);
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
