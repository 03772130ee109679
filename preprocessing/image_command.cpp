#include "preprocessing/image_command.h"

#include <algorithm>
#include <array>
#include <fmt/core.h>
#include <utility>
#include <vector>

#include "base/errors.h"
#include "base/output.h"
#include "base/version.h"
#include "config/command_line.h"
#include "corpus/sequence_format.h"
#include "preprocessing/image_corpus.h"
#include "preprocessing/reading_progress.h"

namespace trellis {
namespace {

using Paths = std::vector<std::string>;

// The files of one split, from its two flags.
std::vector<ImageFiles> files_of(ImageFormat format, std::string_view split, const Paths& images, const Paths& labels) {
  if (format == ImageFormat::cifar && !labels.empty())
    throw UsageError(fmt::format("--{}-labels has no place beside --format cifar", split), "command line",
                     "leave it out: CIFAR's files hold the labels themselves");
  if (format == ImageFormat::idx && images.size() != labels.size())
    throw UsageError(fmt::format("--{} names {} files, --{}-labels {}", split, images.size(), split, labels.size()),
                     "command line", "idx keeps labels in files of their own: name one for each file of images");
  std::vector<ImageFiles> files;
  for (std::size_t i = 0; i < images.size(); ++i) files.push_back({images[i], labels.empty() ? "" : labels[i]});
  return files;
}

// "0.5" or "0.4914,0.4822,0.4465": one number for all channels, or one a channel.
std::vector<double> numbers_of(std::string_view flag, const std::string& text, std::int64_t channels) {
  const auto numbers = numbers_from_text(text);
  if (!numbers)
    throw UsageError(fmt::format("--{} is '{}', expected numbers with commas between them", flag, text), "command line",
                     "");
  if (numbers->size() == 1) return std::vector<double>(static_cast<std::size_t>(channels), numbers->front());
  if (std::cmp_not_equal(numbers->size(), channels))
    throw UsageError(fmt::format("--{} has {} numbers, expected {}", flag, numbers->size(),
                                 channels == 1 ? "1" : fmt::format("1 or {}, one a channel", channels)),
                     "command line", "");
  return *numbers;
}

void print_summary(const ImageCorpusOptions& options, const SequenceManifest& manifest, double seconds) {
  const SequenceDescription& description = manifest.description;
  std::int64_t bytes = 0;
  print_output("{}\n", options.output.string());
  for (const std::string_view name : kSplitNames) {
    const auto split = manifest.splits.find(std::string(name));
    if (split == manifest.splits.end()) continue;
    const SequenceSplitEntry& entry = split->second;
    bytes += entry.sequences * description.bytes();
    print_output("  {:<10} {:>14} sequences in {} shard{}\n", name, grouped(entry.sequences), entry.shards.size(),
               entry.shards.size() == 1 ? "" : "s");
  }
  print_output("  {:<10} {:>14} steps of {} channel{}, {} classes, mean {}, std {}\n", "a sequence",
             grouped(description.steps), description.channels, description.channels == 1 ? "" : "s",
             description.classes, numbers_text(description.normalisation.mean),
             numbers_text(description.normalisation.deviation));
  print_output("  {:.1f} MB of pixels in {:.2f} s, {:.0f} MB/s\n", static_cast<double>(bytes) / 1e6, seconds,
             static_cast<double>(bytes) / 1e6 / seconds);
}

}  // namespace

ExitCode image_command(std::span<const std::string> arguments) {
  ImageCorpusOptions options;
  std::array<Paths, kSplitNames.size()> images, labels;
  std::string format, mean, deviation, output;
  std::int64_t shard_sequences = 0;

  CommandLine line(
      "trellis-preprocess images --format idx|cifar --train FILE... [--train-labels FILE...] --output DIR [flags]",
      "Turns images with labels into a corpus directory for a classifier: every image is a sequence of its pixels, row "
      "by row. The same files and flags give the same bytes. The directory appears whole or not at all.");
  line.section("Images")
      .add("format", "idx|cifar",
           "idx: MNIST and its kin, images and labels in files of their own; cifar: CIFAR-10, "
           "binary version, labels beside the images",
           format)
      .add("train", "FILE", "training images; several files are read one after the other", images[0])
      .add("train-labels", "FILE", "with idx: their labels, a file for each of --train, in the same order", labels[0])
      .add("valid", "FILE", "validation images", images[1])
      .add("valid-labels", "FILE", "their labels, as above", labels[1])
      .add("test", "FILE", "test images", images[2])
      .add("test-labels", "FILE", "their labels, as above", labels[2])
      .add("hold-out", "N", "the last N training images become the split valid", options.hold_out, {1, kMaxSequences})
      .add("output", "DIR", "the corpus directory to make; must not exist yet", output);
  line.section("Sequences")
      .add("classes", "N", "labels are 0 to N - 1", options.classes, {2, kMaxClasses})
      .add(
          "mean", "LIST",
          "subtracted from pixels scaled to 0 to 1: one number, or one a channel with commas between; without it .1307 "
          "for idx, .5 for cifar",
          mean)
      .add("std", "LIST", "what they are divided by then; without it .3081 for idx, .5 for cifar", deviation);
  line.section("Work").add("shard-sequences", "N", "sequences in a shard; 0: as many as fit in 64 MiB", shard_sequences,
                           {0, kMaxSequences});
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

  if (output.empty())
    throw UsageError("--output is missing", "command line", "name the directory to make: --output data/mnist");
  if (format.empty())
    throw UsageError("--format is missing", "command line",
                     "give --format idx (MNIST and its kin) or --format cifar (CIFAR-10, binary version)");
  const auto parsed_format = image_format_from_name(format);
  if (!parsed_format) {
    const std::vector<std::string> formats{"idx", "cifar"};
    throw UsageError(fmt::format("--format is '{}', expected idx or cifar{}", format, suggestion(format, formats)),
                     "command line", "");
  }
  options.format = *parsed_format;
  for (std::size_t split = 0; split < kSplitNames.size(); ++split)
    options.files[split] = files_of(options.format, kSplitNames[split], images[split], labels[split]);
  if (images[0].empty() && images[1].empty() && images[2].empty())
    throw UsageError("no images are given", "command line", "name them with --train, --valid or --test");
  if (line.given("hold-out") && !images[1].empty())
    throw UsageError("--hold-out and --valid both make the split valid", "command line", "leave one of them out");
  if (line.given("hold-out") && images[0].empty())
    throw UsageError("--hold-out has no training images to take from", "command line", "name them with --train");

  options.normalisation = usual_normalisation(options.format);
  const std::int64_t channels = channels_of(options.format);
  if (line.given("mean")) options.normalisation.mean = numbers_of("mean", mean, channels);
  if (line.given("std")) options.normalisation.deviation = numbers_of("std", deviation, channels);
  for (const double number : options.normalisation.deviation)
    if (!(number > 0))
      throw UsageError(fmt::format("--std is '{}', expected numbers above 0", deviation), "command line", "");
  if (shard_sequences > 0) options.shard_sequences = shard_sequences;
  options.output = output;

  const Stopwatch watch;
  SequenceManifest manifest;
  {
    ProgressLine progress;
    manifest = build_image_corpus(options, [&](const ReadingProgress& now) { progress.show(now); });
  }
  print_summary(options, manifest, std::max(watch.seconds(), 1e-6));
  return ExitCode::done;
}

}  // namespace trellis
