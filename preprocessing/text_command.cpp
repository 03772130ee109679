#include "preprocessing/text_command.h"

#include <algorithm>
#include <fmt/core.h>
#include <thread>

#include "base/errors.h"
#include "base/log.h"
#include "base/output.h"
#include "base/version.h"
#include "config/command_line.h"
#include "corpus/text_warnings.h"
#include "preprocessing/reading_progress.h"
#include "preprocessing/text_corpus.h"

namespace trellis {
namespace {

void print_summary(const TextCorpusOptions& options, const Manifest& manifest, double seconds) {
  std::uintmax_t bytes = 0;
  for (const auto& split : options.files)
    for (const auto& path : split) {
      std::error_code ignored;
      const std::uintmax_t size = std::filesystem::file_size(path, ignored);
      if (!ignored) bytes += size;
    }
  print_output("{}\n", options.output.string());
  for (const std::string_view name : kSplitNames) {
    const auto split = manifest.splits.find(std::string(name));
    if (split == manifest.splits.end()) continue;
    const SplitEntry& entry = split->second;
    print_output("  {:<10} {:>14} tokens in {} shard{}, <unk> {:.2f} %\n", name, grouped(entry.tokens),
               entry.shards.size(), entry.shards.size() == 1 ? "" : "s",
               100.0 * static_cast<double>(entry.unknown) / static_cast<double>(entry.tokens));
  }
  print_output("  {:<10} {:>14} {}s, hash {}\n", "vocabulary", grouped(manifest.vocabulary.words),
             unit_name(manifest.unit), manifest.vocabulary.hash);
  print_output("  {:.1f} MB of text in {:.2f} s, {:.0f} MB/s\n", static_cast<double>(bytes) / 1e6, seconds,
             static_cast<double>(bytes) / 1e6 / seconds);
}

}  // namespace

ExitCode text_command(std::span<const std::string> arguments) {
  TextCorpusOptions options;
  std::array<std::vector<std::string>, kSplitNames.size()> files;
  std::string unit(unit_name(options.unit)), vocabulary, output;
  std::int64_t threads = 0;
  bool eos = true;

  CommandLine line("trellis-preprocess text --train FILE... [--valid FILE...] [--test FILE...] --output DIR [flags]",
                   "Turns text files into a corpus directory: a vocabulary and HDF5 shards of token ids. The same text "
                   "and flags give the "
                   "same bytes. The directory appears whole or not at all.");
  line.section("Text")
      .add("train", "FILE", "training text; several files are read one after the other", files[0])
      .add("valid", "FILE", "validation text", files[1])
      .add("test", "FILE", "test text", files[2])
      .add("output", "DIR", "the corpus directory to make; must not exist yet", output);
  line.section("Tokens")
      .add("unit", "word|char|byte", "a token is a word between whitespace, a Unicode code point, or a byte", unit)
      .add_switch("no-eos", "lines do not end with <eos>: newlines are whitespace (word) or tokens (char, byte)", eos,
                  false)
      .add("min-count", "N", "tokens that the training text has fewer times become <unk>; from 2 on, so do unseen ones",
           options.min_count, {1, std::int64_t{1} << 40})
      .add("vocabulary", "PATH", "take the vocabulary of this corpus directory or vocabulary.h5 instead of making one",
           vocabulary);
  line.section("Work")
      .add("shard-tokens", "N", "tokens in a shard", options.shard_tokens, {1, kMaxShardTokens})
      .add("threads", "N", "threads; 0: one for each core", threads, {0, 256});
  switch (line.parse(arguments)) {
    case CommandLine::Parsed::help:
      write_output(line.help());
      return ExitCode::done;
    case CommandLine::Parsed::version:
      print_output("trellis-preprocess {}\n", kVersion);
      return ExitCode::done;
    case CommandLine::Parsed::ready:
      break;
  }

  const auto parsed_unit = unit_from_name(unit);
  if (!parsed_unit) {
    const std::vector<std::string> units{"word", "char", "byte"};
    throw UsageError(fmt::format("--unit is '{}', expected word, char or byte{}", unit, suggestion(unit, units)),
                     "command line", "");
  }
  if (output.empty())
    throw UsageError("--output is missing", "command line", "name the directory to make: --output data/mine");
  if (line.given("vocabulary") && line.given("min-count"))
    throw UsageError("--min-count has no effect beside --vocabulary", "command line", "leave one of them out");
  if (files[0].empty() && vocabulary.empty())
    throw UsageError("--train is missing", "command line",
                     "name the training text, or a --vocabulary to use for other splits alone");
  if (files[0].empty() && files[1].empty() && files[2].empty())
    throw UsageError("no text is given", "command line", "name it with --train, --valid or --test");

  options.unit = *parsed_unit;
  options.lines = eos ? Lines::end_with_eos : Lines::are_whitespace;
  options.output = output;
  options.threads = threads > 0 ? static_cast<int>(threads)
                                : static_cast<int>(std::clamp(std::thread::hardware_concurrency(), 1U, 16U));
  if (!vocabulary.empty()) options.vocabulary = vocabulary;
  for (std::size_t split = 0; split < files.size(); ++split)
    options.files[split].assign(files[split].begin(), files[split].end());

  const Stopwatch watch;
  Manifest manifest;
  {
    ProgressLine progress;
    manifest = build_text_corpus(options, [&](const ReadingProgress& now) { progress.show(now); });
  }
  print_summary(options, manifest, std::max(watch.seconds(), 1e-6));
  for (const std::string& warning : text_warnings(manifest)) log_warning("{}", warning);
  return ExitCode::done;
}

}  // namespace trellis
