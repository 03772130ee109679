#include "corpus/text_warnings.h"

#include <fmt/core.h>

#include "corpus/text_bits.h"

namespace trellis {
namespace {

// Below these nobody trains a language model on purpose, but for a test.
constexpr std::int64_t kFewWords = 20;
constexpr std::int64_t kFewTrainingTokens = 1'000;
// Of the common corpora WikiText-2 has most <unk>: 2.6 % in training, 6.2 % in test.
constexpr double kManyUnknown = 0.1;
// Words of any alphabet take 2 to 16 bytes each with the blank behind them; text without blanks between its words takes hundreds.
constexpr std::int64_t kLongWordBytes = 32;
// Words that occur twice on the average. A text of natural language has fewer only while it is short.
constexpr std::int64_t kEnoughTokensToRepeat = 10'000;

std::string percent(double share) { return fmt::format("{:.1f} %", 100 * share); }

void judge_vocabulary(const Manifest& manifest, TextWarnings& warnings) {
  const std::int64_t words = manifest.vocabulary.words;
  if (manifest.unit == Unit::word && words < kFewWords) {
    warnings.push_back(fmt::format("the vocabulary has {} words, <eos> and <unk> counted: check that the training text is the one that "
                                   "was meant, and that its words are apart (--unit char takes every character)",
                                   words));
  } else if (words < 3) {  // one symbol and <eos>
    warnings.push_back(fmt::format("the vocabulary has {} tokens: check that the training text is the one that was meant", words));
  }
}

void judge_words(const SplitEntry& train, std::int64_t words, TextWarnings& warnings) {
  if (train.text && train.text->bytes / train.tokens >= kLongWordBytes) {
    warnings.push_back(fmt::format("a word of the training text has {} bytes on the average: if its words are not parted by blanks, take "
                                   "--unit char",
                                   train.text->bytes / train.tokens));
  } else if (train.tokens >= kEnoughTokensToRepeat && words > train.tokens / 2) {
    warnings.push_back(fmt::format("the training text has {} different words among {} tokens, so most occur once: take --unit char, or "
                                   "--min-count 2",
                                   words, train.tokens));
  }
}

void judge_split(const std::string& name, const SplitEntry& split, TextWarnings& warnings) {
  if (const double share = unknown_share(split); share > kManyUnknown) {
    warnings.push_back(fmt::format("{} of the tokens of '{}' are <unk> ({} of {}), which is easy to predict: {}", percent(share), name,
                                   split.unknown, split.tokens,
                                   name == "train" ? "give a lower --min-count or more text, or take --unit char"
                                                   : "take text of the same kind as the training text, or more training text; perplexities "
                                                     "compare only at equal <unk>"));
  }
}

}  // namespace

TextWarnings text_warnings(const Manifest& manifest) {
  TextWarnings warnings;
  judge_vocabulary(manifest, warnings);
  if (const auto train = manifest.splits.find("train"); train != manifest.splits.end()) {
    if (manifest.unit == Unit::word) judge_words(train->second, manifest.vocabulary.words, warnings);
    if (train->second.tokens < kFewTrainingTokens) {
      warnings.push_back(fmt::format("the training split has {} tokens, too few to learn a language from: give more text", train->second.tokens));
    }
  }
  for (const std::string_view name : kSplitNames) {
    if (const auto found = manifest.splits.find(std::string(name)); found != manifest.splits.end())
      judge_split(found->first, found->second, warnings);
  }
  return warnings;
}

TextWarnings lane_warnings(std::string_view split, std::int64_t tokens, std::int64_t lanes, std::int64_t window) {
  const std::int64_t predictions = tokens / lanes - 1;
  if (predictions >= window) return {};
  return {fmt::format("the {} tokens of '{}' in {} lanes leave {} predictions for each, fewer than a window of {} steps: {}", tokens, split, lanes,
                      predictions, window,
                      split == "train" ? "a pass is one step. Give fewer train.lanes, a shorter train.window, or more text"
                                       : "they are scored with little history. Give fewer valid.lanes, or more text")};
}

}  // namespace trellis
