#include "preprocessing/text_corpus.h"

#include <fmt/core.h>
#include <memory>
#include <utility>

#include "base/errors.h"
#include "base/stop_request.h"
#include "base/system_error.h"
#include "base/version.h"
#include "corpus/corpus.h"
#include "corpus/text_error.h"
#include "corpus/token_encoder.h"
#include "preprocessing/token_counter.h"
#include "storage/atomic_directory.h"
#include "storage/content_hash.h"

namespace trellis {
namespace {

constexpr std::size_t kTrain = 0;

// Appends the block's ids to `ids` and returns how many are <unk>; what cannot be encoded is named with file and line.
std::int64_t encode_block(const TokenEncoder& encoder, const TextBlock& block, std::vector<std::uint32_t>& ids) {
  try {
    return encoder.encode(block, ids);
  } catch (const TextError& error) {
    const std::int64_t offset = block.offset + static_cast<std::int64_t>(error.offset());
    throw DataError(
        error.fact(), fmt::format("{}: line {}", block.path->string(), line_of(*block.path, offset)),
        "use --min-count 2 (what is rare in the training text becomes <unk>), or take a larger training text");
  }
}

class Builder {
 public:
  Builder(const TextCorpusOptions& options, const std::function<void(const ReadingProgress&)>& on_progress)
      : options_(options), on_progress_(on_progress), directory_(options.output) {}

  Manifest run() {
    // Every input is looked at before any is read: a wrong name is not found after an hour.
    std::optional<Vocabulary> vocabulary = reused_vocabulary();
    for (std::size_t split = 0; split < kSplitNames.size(); ++split)
      for (const auto& path : options_.files[split]) {
        files_[split].push_back(look_at(path, options_.unit));
        progress_.all_bytes += 2 * files_[split].back().bytes;
      }
    std::array<SplitEntry, kSplitNames.size()> counts;
    for (std::size_t split = 0; split < kSplitNames.size(); ++split) {
      const bool makes_vocabulary = split == kTrain && !vocabulary;
      const TokenCounter counted = count(split, makes_vocabulary ? Count::kinds : Count::tokens);
      counts[split].tokens = counted.tokens();
      counts[split].text = counted.text_size();
      if (makes_vocabulary) vocabulary.emplace(counted.vocabulary(static_cast<std::uint64_t>(options_.min_count)));
    }
    Manifest manifest;
    manifest.written_by = fmt::format("trellis-preprocess {}", kVersion);
    manifest.unit = options_.unit;
    manifest.end_of_line = options_.lines == Lines::end_with_eos;
    manifest.min_count = options_.min_count;
    manifest.vocabulary = store(*vocabulary);
    const TokenEncoder encoder(*vocabulary, options_.lines,
                               options_.vocabulary ? options_.vocabulary->string() : "the training text");
    for (std::size_t split = 0; split < kSplitNames.size(); ++split)
      if (!files_[split].empty())
        manifest.splits[std::string(kSplitNames[split])] =
            encode(split, counts[split], encoder, manifest.vocabulary.hash);
    write_manifest(directory_.path(), manifest);
    throw_if_stop_requested();
    directory_.commit();
    return manifest;
  }

 private:
  std::optional<Vocabulary> reused_vocabulary() const {
    if (!options_.vocabulary) return std::nullopt;
    const std::filesystem::path& path = *options_.vocabulary;
    Vocabulary vocabulary = vocabulary_at(path);
    if (vocabulary.unit() != options_.unit)
      throw DataError(fmt::format("has unit {}, expected {}", unit_name(vocabulary.unit()), unit_name(options_.unit)),
                      path.string(),
                      fmt::format("give --unit {}, or take another vocabulary", unit_name(vocabulary.unit())));
    return vocabulary;
  }

  TokenCounter count(std::size_t split, Count what) {
    std::vector<TokenCounter> counters;
    for (int thread = 0; thread < options_.threads; ++thread)
      counters.emplace_back(options_.unit, options_.lines, what);
    begin("counting", split);
    for_each_block(
        files_[split], options_.unit, options_.threads,
        [&](const TextBlock& block, int thread) { counters[static_cast<std::size_t>(thread)].add(block); },
        [&](const TextBlock& block, int) { advance(block); });
    for (std::size_t i = 1; i < counters.size(); ++i) counters[0].merge(counters[i]);
    if (counters[0].tokens() == 0 && !files_[split].empty())
      throw DataError("has only whitespace, no tokens", files_[split].front().path.string(),
                      "name a file that has text in it");
    return std::move(counters[0]);
  }

  // entry: counted, without unknown tokens and shards.
  SplitEntry encode(std::size_t split, SplitEntry entry, const TokenEncoder& encoder,
                    const std::string& vocabulary_hash) {
    struct Encoded {
      std::vector<std::uint32_t> ids;
      std::int64_t unknown = 0;
    };
    std::vector<Encoded> encoded(static_cast<std::size_t>(options_.threads));
    SplitWriter writer(directory_.path(), std::string(kSplitNames[split]), entry.tokens, options_.shard_tokens,
                       vocabulary_hash);
    begin("writing", split);
    for_each_block(
        files_[split], options_.unit, options_.threads,
        [&](const TextBlock& block, int thread) {
          Encoded& mine = encoded[static_cast<std::size_t>(thread)];
          mine.ids.clear();
          mine.unknown = encode_block(encoder, block, mine.ids);
        },
        [&](const TextBlock& block, int thread) {
          const Encoded& mine = encoded[static_cast<std::size_t>(thread)];
          writer.append(mine.ids);
          entry.unknown += mine.unknown;
          advance(block);
        });
    entry.shards = writer.finish();
    return entry;
  }

  VocabularyEntry store(const Vocabulary& vocabulary) const {
    const std::filesystem::path path = directory_.path() / kVocabularyFile;
    write_vocabulary(path, vocabulary);
    const File file = File::open_to_read(path);
    return {kVocabularyFile, vocabulary.size(), file.size(), hash_of(file), vocabulary.hash()};
  }

  void begin(const char* what, std::size_t split) { progress_.doing = fmt::format("{} {}", what, kSplitNames[split]); }
  void advance(const TextBlock& block) {
    progress_.done_bytes += static_cast<std::int64_t>(block.text.size());
    on_progress_(progress_);
  }

  const TextCorpusOptions& options_;
  const std::function<void(const ReadingProgress&)>& on_progress_;
  AtomicDirectory directory_;
  std::array<std::vector<TextFile>, kSplitNames.size()> files_;
  ReadingProgress progress_;
};

}  // namespace

Manifest build_text_corpus(const TextCorpusOptions& options, const std::function<void(const ReadingProgress&)>& on_progress) {
  return Builder(options, on_progress).run();
}

}  // namespace trellis
