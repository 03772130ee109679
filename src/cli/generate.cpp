// trellis generate: text from a language model, token by token.
#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <memory>
#include <optional>

#include "base/log.h"
#include "base/stop_request.h"
#include "base/system_error.h"
#include "cli/chosen_checkpoint.h"
#include "cli/commands.h"
#include "config/command_line.h"
#include "corpus/prompt.h"
#include "corpus/text_decoder.h"
#include "model/text_stream.h"
#include "model/token_sampler.h"
#include "mpi/agreement.h"
#include "ranks/ranks_environment.h"
#include "report/token_log.h"
#include "storage/file.h"
#include "storage/read_text.h"
#include "train/compute_device.h"
#include "train/dataset.h"
#include "train/from_settings.h"
#include "trainer/checkpointing.h"

namespace trellis {
namespace {

constexpr std::int64_t kAsTrained = -1;

struct GenerateFlags {
  ChosenCheckpoint chosen;
  std::string data, prompt, prompt_file, log_probabilities;
  std::int64_t tokens = 100, top_k = 0, seed = 1, window = 0, discard = kAsTrained, threads = 0;
  double temperature = 1, top_p = 1;
  bool no_unknown = false, echo = false;

  CommandLine line() {
    CommandLine line("trellis generate (--run DIR | --checkpoint DIR) --data DIR [flags]",
                     "Text from a language model: goes on with the prompt, or begins a line, token by token, each drawn from the "
                     "network's probabilities and printed at once. The network reads prompt and text as evaluation does with one "
                     "lane. The same flags give the same text. One process; Ctrl-C ends it after the token at hand, with code 75.");
    line.section("What");
    chosen.add_flags(line);
    line.add("data", "DIR", "corpus directory with the vocabulary that the network was trained with", data)
        .add("prompt", "TEXT", "what the text goes on from; its last line is open", prompt)
        .add("prompt-file", "FILE", "the same from a file; -: from standard input", prompt_file)
        .add("tokens", "N", "words, characters or bytes to generate", tokens, {1, 1'000'000'000'000});
    line.section("How tokens are drawn")
        .add("temperature", "T", "below 1 the probable ones become more probable still, above 1 less; 0: always the most probable one", temperature)
        .add("top-k", "K", "only from the K most probable ones; 0: from all", top_k, {0, std::numeric_limits<std::int64_t>::max()})
        .add("top-p", "P", "only from the fewest most probable ones that together have the share P of what temperature and --top-k left", top_p)
        .add_switch("no-unknown", "never <unk>", no_unknown)
        .add("seed", "N", "of the draws; a draw depends on it and on the token's position in the text", seed, {0, std::numeric_limits<std::int64_t>::max()});
    line.section("How the text is read")
        .add("window", "STEPS", "time steps of a window; 0: as in training", window, {0, 1'000'000})
        .add("discard", "STEPS", "0: history is handed on from window to window; more: windows overlap by so many steps, which build up "
                                 "history; -1: as in training", discard, {kAsTrained, 1'000'000});
    line.section("Output")
        .add_switch("echo", "print the prompt in front", echo)
        .add("log-probabilities", "FILE", "write position, id, token and log-probability of every generated token: the network's own, "
                                          "before temperature, --top-k and --top-p", log_probabilities);
    line.section("Computation")
        .add("threads", "N", "CPU threads; 0: all cores", threads, {0, 4096});
    return line;
  }

  void check() const {
    const auto wrong = [](const std::string& what, const std::string& fix) { throw UsageError(what, "command line", fix); };
    chosen.check();
    if (data.empty()) wrong("--data is missing", "give --data; trellis generate --help explains");
    if (!prompt.empty() && !prompt_file.empty()) wrong("--prompt and --prompt-file exclude each other", "leave one of them out");
    TokenSampler{rule()};
  }

  SamplingRule rule() const {
    return {.temperature = temperature, .top_k = top_k, .top_p = top_p, .seed = static_cast<std::uint64_t>(seed), .excluded = std::nullopt};
  }
};

// Everything up to the end of what may be a pipe.
std::string read_all(const std::string& path) {
  const bool standard_input = path == "-";
  const int descriptor = standard_input ? STDIN_FILENO : uninterrupted([&] { return ::open(path.c_str(), O_RDONLY | O_CLOEXEC); });
  if (descriptor < 0) throw_unreadable(path, errno);
  const std::unique_ptr<const int, void (*)(const int*)> closed_at_end(&descriptor, [](const int* open) {
    if (*open != STDIN_FILENO) ::close(*open);
  });
  std::string text;
  if (const int error = read_to_end(descriptor, std::numeric_limits<std::int64_t>::max(), text))
    throw_unreadable(standard_input ? "standard input" : path, error);
  return text;
}

// Standard output, unbuffered: who reads sees every token when it is there.
class TextOutput {
 public:
  // false when nobody reads any more, which is no error: there is no use in going on. Throws WriteError.
  bool write(std::string_view text) {
    while (!text.empty()) {
      const ssize_t put = ::write(STDOUT_FILENO, text.data(), text.size());
      if (put < 0 && errno == EINTR) continue;
      if (put < 0 && errno == EPIPE) return false;
      if (put < 0) throw_write_error("standard output", "write the text", errno);
      last_ = text[static_cast<std::size_t>(put) - 1];
      text.remove_prefix(static_cast<std::size_t>(put));
    }
    return true;
  }

  // On a terminal the shell's prompt is not to stand behind the text. mpirun gives its processes one, too, but only for
  // standard output.
  void finish() {
    if (last_ != '\n' && ::isatty(STDOUT_FILENO) != 0 && ::isatty(STDERR_FILENO) != 0) write("\n");
  }

 private:
  char last_ = '\n';
};

// What comes before the first token to be drawn.
struct Beginning {
  std::string text;                  // the prompt
  std::vector<std::int64_t> tokens;  // at least one
};

// Without a prompt the text begins as a line does, behind the end of another.
Beginning beginning(const GenerateFlags& flags, std::string prompt, const Corpus& corpus, const Vocabulary& vocabulary) {
  const TokenEncoder encoder(vocabulary, corpus.manifest().lines(), "the training text");
  Beginning result{std::move(prompt), {}};
  result.tokens = encode_prompt(encoder, result.text, flags.prompt_file.empty() ? "prompt" : flags.prompt_file == "-" ? "standard input" : flags.prompt_file);
  if (const auto unknown = vocabulary.find(kUnknown)) {
    const auto count = std::count(result.tokens.begin(), result.tokens.end(), *unknown);
    if (count > 0) log_info("{} of the prompt's {} tokens are <unk>", count, result.tokens.size());
  }
  if (!result.tokens.empty()) return result;
  const auto line_end = vocabulary.find(corpus.manifest().lines() == Lines::end_with_eos ? kEndOfLine : "\n");
  if (!line_end) {
    throw UsageError("there is no prompt, and no token that ends a line for the text to begin behind", flags.data,
                     "give --prompt or --prompt-file with a token in it");
  }
  result.tokens.push_back(*line_end);
  return result;
}

// Draws, prints and logs until there are enough tokens, a signal comes or nobody reads.
ExitCode generate_text(const GenerateFlags& flags, const Beginning& start, const Corpus& corpus, const Vocabulary& vocabulary, TextStream& stream,
                       TokenLog* log, const std::string& checkpoint) {
  SamplingRule rule = flags.rule();
  if (flags.no_unknown) rule.excluded = vocabulary.find(kUnknown);
  TokenSampler sampler(rule);
  TextDecoder decoder(vocabulary, corpus.manifest().lines(), start.text);
  TextOutput output;
  bool read_by_someone = !flags.echo || output.write(start.text);
  stream.read(start.tokens);
  const AnswersStops answers_stops;
  std::int64_t drawn = 0;
  while (drawn < flags.tokens && read_by_someone && !stop_requested()) {
    const at::Tensor log_probabilities = stream.log_probabilities();
    std::int64_t token = 0;
    try {
      token = sampler.draw({log_probabilities.const_data_ptr<double>(), static_cast<std::size_t>(log_probabilities.numel())}, stream.position());
    } catch (const NumericError& error) {
      throw NumericError(error.fact(), fmt::format("{}, at token {} of the text", checkpoint, stream.position()), error.fix());
    }
    read_by_someone = output.write(decoder.append(token));
    if (log != nullptr) log->write(stream.position(), token, vocabulary[token], stream.log_probability(token));
    if (++drawn < flags.tokens) stream.read({&token, 1});
  }
  output.finish();
  if (log != nullptr) log->finish();
  return drawn < flags.tokens && read_by_someone ? ExitCode::stopped_early : ExitCode::done;
}

ExitCode generate(const Ranks& ranks, const MpiSession& session, const GenerateFlags& flags) {
  if (ranks.size() > 1) {
    throw AgreedError<ExitCode::wrong_flags>(fmt::format("trellis generate is one process, but mpirun has started {}", ranks.size()), "command line",
                                             "start it without mpirun", ranks.size());
  }
  use_threads(flags.threads, session, ranks);
  std::string prompt = flags.prompt_file.empty() ? flags.prompt : read_all(flags.prompt_file);
  const CheckpointReader reader = flags.chosen.open(ranks);
  const std::string checkpoint = reader.path().string();
  CheckpointState state = read_state(reader);
  if (state.settings.model.task == TaskKind::classifier)
    throw DataError("the network is a classifier, which has no text to generate", checkpoint, "give a checkpoint of a language model");
  const Dataset data = Dataset::open(flags.data);
  data.expect_identity(state.data);
  const Vocabulary vocabulary = data.text().load_vocabulary();
  const Beginning start = beginning(flags, std::move(prompt), data.text(), vocabulary);

  std::optional<TokenLog> log;  // opened first: a name that is taken is told before the work
  if (!flags.log_probabilities.empty()) log.emplace(flags.log_probabilities);
  const TrellisShape shape = shape_from(state.settings, data.vocabulary_size());
  const at::TensorOptions options = evaluation_options(ranks.world, state.settings);
  TextStream stream(shape, flags.window > 0 ? flags.window : state.settings.train.window,
                    flags.discard == kAsTrained ? state.settings.train.discard : flags.discard, "how the text is read", options);
  Parameters weights(ParameterLayout(shape), options);
  load_weights(reader, weights);
  stream.use(weights);
  return generate_text(flags, start, data.text(), vocabulary, stream, log ? &*log : nullptr, checkpoint);
}

}  // namespace

int generate_command(std::span<const std::string> arguments) {
  GenerateFlags flags;
  CommandLine line = flags.line();
  const auto prepare = [&] {
    flags.check();
    return true;
  };
  return run_on_ranks(line, arguments, prepare, [&](const Ranks& ranks, const MpiSession& session) { return generate(ranks, session, flags); });
}

}  // namespace trellis
