// trellis evaluate: perplexity of a split, from a checkpoint.
#include <fmt/core.h>

#include <cmath>
#include <numbers>
#include <optional>

#include "base/log.h"
#include "base/version.h"
#include "checkpoint/catalogue.h"
#include "cli/commands.h"
#include "cli/ranks_environment.h"
#include "config/command_line.h"
#include "corpus/corpus.h"
#include "mpi/agreement.h"
#include "report/format.h"
#include "train/checkpointing.h"
#include "train/from_settings.h"
#include "train/run_directory.h"

namespace trellis {
namespace {

struct EvaluateFlags {
  std::string run, checkpoint, data, split = "test", which = "best";
  std::int64_t lanes = 1, window = 0, threads = 0;
  bool json = false;

  CommandLine line() {
    CommandLine line("trellis evaluate (--run DIR | --checkpoint DIR) --data DIR [flags]",
                     "Perplexity and bits per token of a split. History runs through the whole split and the mean is over its tokens;\n"
                     "with one lane every token but the first is scored. Works on any number of MPI ranks, whatever wrote the\n"
                     "checkpoint; lanes are dealt to the ranks.");
    line.section("Flags")
        .add("run", "DIR", "a run: its best checkpoint, or its newest if it was never validated", run)
        .add("which", "best|newest", "which checkpoint of the run", which)
        .add("checkpoint", "DIR", "one checkpoint instead of a run", checkpoint)
        .add("data", "DIR", "corpus directory with the vocabulary that the network was trained with", data)
        .add("split", "NAME", "train, valid or test", split)
        .add("lanes", "N", "pieces that the split is cut into and evaluated side by side", lanes, {1, 1'000'000})
        .add("window", "STEPS", "time steps of a window; 0: as in training", window, {0, 1'000'000})
        .add("threads", "N", "CPU threads a rank; 0: cores over the ranks of the machine", threads, {0, 4096})
        .add_switch("json", "print one JSON object instead of text", json);
    return line;
  }

  void check() const {
    const auto wrong = [](const std::string& what, const std::string& fix) { throw UsageError(what, "command line", fix); };
    if (data.empty()) wrong("--data is missing", "give --data; trellis evaluate --help explains");
    if (run.empty() == checkpoint.empty()) wrong("give either --run or --checkpoint", "trellis evaluate --help explains");
    if (which != "best" && which != "newest") wrong("--which is '" + which + "'", "give best or newest");
    if (split != "train" && split != "valid" && split != "test") wrong("--split is '" + split + "'", "give train, valid or test");
  }
};

// Collective.
CheckpointReader open_checkpoint(const Ranks& ranks, const EvaluateFlags& flags) {
  if (!flags.checkpoint.empty()) return CheckpointReader::open(ranks.world, flags.checkpoint, Verify::hash);
  const std::filesystem::path root = RunDirectory(flags.run).checkpoints();
  std::optional<CheckpointReader> newest = open_newest_complete(ranks.world, root);
  if (!newest) {
    throw AgreedError<ExitCode::input_missing>("the run has no whole checkpoint", root.string(), "train first, or give --checkpoint", ranks.size());
  }
  const std::optional<BestValidation> best = agree(ranks.world, [&] { return read_state(*newest).run.best; });
  if (flags.which == "newest" || !best || best->step == newest->step()) return std::move(*newest);
  for (const CatalogueEntry& entry : list_checkpoints(ranks.world, root)) {
    if (entry.step == best->step) return CheckpointReader::open(ranks.world, entry.path, Verify::hash);
  }
  if (ranks.rank() == 0) log_warning("the best checkpoint (step {}) is not there any more: taking the newest", best->step);
  return std::move(*newest);
}

ExitCode evaluate(const Ranks& ranks, const MpiSession& session, const EvaluateFlags& flags) {
  use_threads(static_cast<int>(flags.threads), session);
  const CheckpointReader reader = open_checkpoint(ranks, flags);
  const CheckpointState state = agree(ranks.world, [&] { return read_state(reader); });
  const Corpus corpus = agree(ranks.world, [&] {
    Corpus opened = Corpus::open(flags.data);
    if (opened.vocabulary_hash() != state.vocabulary_hash) {
      throw DataError(fmt::format("the corpus's vocabulary ({} words, hash {}) is not the network's ({} words, hash {})", opened.vocabulary_size(),
                                  opened.vocabulary_hash(), state.vocabulary, state.vocabulary_hash),
                      flags.data, "preprocess the text with --vocabulary of the corpus that the network was trained on");
    }
    return opened;
  });
  const auto tokens = agree(ranks.world, [&] { return corpus.open_split(flags.split, ranks.rank() == 0 ? Verify::hash : Verify::structure); });
  const std::int64_t window = flags.window > 0 ? flags.window : state.settings.train.window;
  const WindowPlan plan = agree(ranks.world, [&] {
    return WindowPlan(tokens->tokens(), flags.lanes, window, state.settings.train.discard, WindowUse::evaluation,
                      "split '" + flags.split + "' of " + flags.data);
  });
  const TrellisShape shape = agree(ranks.world, [&] { return shape_from(state.settings, corpus.vocabulary_size()); });
  const at::TensorOptions options = tensor_options_from(state.settings);
  Parameters weights(ParameterLayout(shape), options);
  agree(ranks.world, [&] { load_weights(reader, weights); });

  Evaluator evaluator(ranks, tokens, plan, shape, options);
  const EvaluationResult result = evaluator.run(weights);
  if (!std::isfinite(result.loss_nats_per_token)) {
    throw AgreedError<ExitCode::numeric_failure>("the loss is not finite", reader.path().string(), "evaluate another checkpoint", ranks.size());
  }
  if (ranks.rank() != 0) return ExitCode::done;
  const double bits = result.loss_nats_per_token / std::numbers::ln2, perplexity = std::exp(result.loss_nats_per_token);
  const std::string unit(unit_name(corpus.unit()));
  if (flags.json) {
    const nlohmann::json json{{"checkpoint", reader.path().string()}, {"step", reader.step()}, {"split", flags.split}, {"unit", unit},
                              {"tokens", result.tokens}, {"lanes", flags.lanes}, {"window", window},
                              {"loss_nats_per_token", result.loss_nats_per_token}, {"perplexity", perplexity}, {"bits_per_token", bits}};
    fmt::print("{}\n", json.dump());
  } else {
    fmt::print("checkpoint  {}\nsplit       {}: {} tokens scored ({} lane(s), windows of {} steps)\nloss        {:.6f} nats a token\nperplexity  {:.4f}\nbits        {:.6f} a {}\n",
               reader.path().string(), flags.split, result.tokens, flags.lanes, window, result.loss_nats_per_token, perplexity, bits, unit);
  }
  return ExitCode::done;
}

}  // namespace

int evaluate_command(std::span<const std::string> arguments) {
  EvaluateFlags flags;
  std::optional<Error> early;
  try {
    CommandLine line = flags.line();
    switch (line.parse(arguments)) {
      case CommandLine::Parsed::help: fmt::print("{}", line.help()); return 0;
      case CommandLine::Parsed::version: fmt::print("trellis {}\n", kVersion); return 0;
      case CommandLine::Parsed::ready: break;
    }
    flags.check();
  } catch (const Error& error) {
    early = error;
  }
  return on_ranks(early, [&](const Ranks& ranks, const MpiSession& session) { return evaluate(ranks, session, flags); });
}

}  // namespace trellis
