#include "config/setting_values.h"

#include <charconv>
#include <cmath>
#include <fmt/core.h>
#include <limits>
#include <type_traits>
#include <utility>

#include "base/errors.h"

namespace trellis {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// The words of every setting that is one of a few; the first field is how files and command lines write it.
template <class T>
struct Word {
  const char* text;
  T value;
};
constexpr Word<bool> kSwitchWords[] = {{"true", true}, {"false", false}};
constexpr Word<Precision> kPrecisionWords[] = {
    {"float32", Precision::float32}, {"float64", Precision::float64}, {"bf16", Precision::bf16}, {"tf32", Precision::tf32}};
constexpr Word<DeviceChoice> kDeviceWords[] = {
    {"auto", DeviceChoice::automatic}, {"cpu", DeviceChoice::cpu}, {"cuda", DeviceChoice::cuda}};
constexpr Word<TaskKind> kTaskWords[] = {{"language_model", TaskKind::language_model}, {"classifier", TaskKind::classifier}};
constexpr Word<OptimizerName> kOptimizerWords[] = {
    {"adam", OptimizerName::adam}, {"sgd", OptimizerName::sgd}, {"lamb", OptimizerName::lamb}};
constexpr Word<Averaging> kAveragingWords[] = {
    {"never", Averaging::never}, {"always", Averaging::always}, {"plateau", Averaging::plateau}};
constexpr Word<RateDecay> kDecayWords[] = {
    {"none", RateDecay::none}, {"cosine", RateDecay::cosine}, {"inverse_square_root", RateDecay::inverse_square_root}};
constexpr Word<BatchRule> kBatchRuleWords[] = {
    {"none", BatchRule::none}, {"linear", BatchRule::linear}, {"square_root", BatchRule::square_root}};
// "levels" has a number with it
constexpr Word<Recompute::Kind> kRecomputeWords[] = {{"none", Recompute::Kind::none}, {"gates", Recompute::Kind::gates}};
// a number stands for Kind::ranks
constexpr Word<VocabularyLayout::Kind> kVocabularyWords[] = {{"replicated", VocabularyLayout::Kind::replicated},
                                                             {"stages", VocabularyLayout::Kind::stages},
                                                             {"world", VocabularyLayout::Kind::world}};

template <class T, std::size_t N>
std::string format_word(const Word<T> (&words)[N], T value) {
  for (const Word<T>& word : words) {
    if (word.value == value) return word.text;
  }
  throw InternalError(fmt::format("a setting holds value {} of {}", static_cast<int>(value), N), "", "report this");
}

template <class T, std::size_t N>
std::string list_words(const Word<T> (&words)[N]) {
  std::string text;
  for (std::size_t i = 0; i < N; ++i) {
    if (i > 0) text += i + 1 == N ? " or " : ", ";
    text += words[i].text;
  }
  return text;
}

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

template <class T, std::size_t N>
std::string parse_word(std::string_view text, const Word<T> (&words)[N], T& value) {
  for (const Word<T>& word : words) {
    if (word.text == trimmed(text)) {
      value = word.value;
      return "";
    }
  }
  return list_words(words);
}

template <class T>
std::string number_expected(const Limits& limits) {
  std::string expected = std::is_floating_point_v<T> ? "a number" : "a whole number";
  const std::string range = limits.text();
  if (!range.empty()) return expected + ", " + range;
  if (std::is_unsigned_v<T>) expected += ", from 0 to 18446744073709551615";
  return expected;
}

template <class T>
std::string parse_number(std::string_view text, const Limits& limits, T& value) {
  std::string_view digits = trimmed(text);
  if (digits.size() > 1 && digits[0] == '+' && digits[1] != '-') digits.remove_prefix(1);
  T parsed{};
  const auto [end, failure] = std::from_chars(digits.data(), digits.data() + digits.size(), parsed);
  const bool whole = failure == std::errc() && end == digits.data() + digits.size();
  if (!whole || !std::isfinite(static_cast<double>(parsed)) || !limits.contains(static_cast<double>(parsed))) {
    return number_expected<T>(limits);
  }
  value = parsed;
  return "";
}

template <class T>
std::string parse_list(std::string_view text, const Limits& limits, std::vector<T>& value) {
  std::vector<T> parsed;
  std::string_view rest = trimmed(text);
  while (!rest.empty()) {
    const auto comma = rest.find(',');
    T item{};
    // a comma with nothing behind it is a forgotten item
    const bool dangling = comma != std::string_view::npos && trimmed(rest.substr(comma + 1)).empty();
    if (dangling || !parse_number(rest.substr(0, comma), limits, item).empty()) {
      const std::string range = limits.text();
      return "whole numbers with commas between" + (range.empty() ? "" : ", each " + range);
    }
    parsed.push_back(item);
    rest = comma == std::string_view::npos ? std::string_view() : rest.substr(comma + 1);
  }
  value = std::move(parsed);
  return "";
}

template <class T>
std::string format_list(const std::vector<T>& items) {
  std::string text;
  for (const T& item : items) text += (text.empty() ? "" : ",") + std::to_string(item);
  return text;
}

}  // namespace

bool Limits::contains(double value) const {
  return (low_included ? value >= low : value > low) && (high_included ? value <= high : value < high);
}

std::string Limits::text() const {
  if (low == -kInfinity && high == kInfinity) return "";
  if (high == kInfinity) return fmt::format("{} {}", low_included ? "at least" : "above", low);
  return fmt::format("{} {} {} {}", low_included ? "from" : "above", low, high_included ? "to" : "to below", high);
}

namespace limits {
Limits any() { return {-kInfinity, kInfinity, true, true}; }
Limits at_least(double low) { return {low, kInfinity, true, true}; }
Limits above(double low) { return {low, kInfinity, false, true}; }
Limits above(double low, double high) { return {low, high, false, true}; }
Limits between(double low, double high) { return {low, high, true, true}; }
Limits below(double low, double high) { return {low, high, true, false}; }
}  // namespace limits

std::string format_value(bool value) { return format_word(kSwitchWords, value); }
std::string format_value(int value) { return std::to_string(value); }
std::string format_value(std::int64_t value) { return std::to_string(value); }
std::string format_value(std::uint64_t value) { return std::to_string(value); }
std::string format_value(double value) { return fmt::format("{}", value); }
std::string format_value(Precision value) { return format_word(kPrecisionWords, value); }
std::string format_value(DeviceChoice value) { return format_word(kDeviceWords, value); }
std::string format_value(TaskKind value) { return format_word(kTaskWords, value); }
std::string format_value(OptimizerName value) { return format_word(kOptimizerWords, value); }
std::string format_value(Averaging value) { return format_word(kAveragingWords, value); }
std::string format_value(RateDecay value) { return format_word(kDecayWords, value); }
std::string format_value(BatchRule value) { return format_word(kBatchRuleWords, value); }
std::string format_value(const Recompute& value) {
  return value.kind == Recompute::Kind::levels ? fmt::format("levels({})", value.levels) : format_word(kRecomputeWords, value.kind);
}
std::string format_value(AutomaticCount value) { return value.automatic() ? "auto" : std::to_string(value.count); }
std::string format_value(const VocabularyLayout& value) {
  return value.kind == VocabularyLayout::Kind::ranks ? std::to_string(value.ranks) : format_word(kVocabularyWords, value.kind);
}
std::string format_value(const std::vector<int>& value) { return format_list(value); }
std::string format_value(const std::vector<std::int64_t>& value) { return format_list(value); }

std::string parse_value(std::string_view text, const Limits&, bool& value) {
  return parse_word(text, kSwitchWords, value);
}
std::string parse_value(std::string_view text, const Limits& limits, int& value) {
  return parse_number(text, limits, value);
}
std::string parse_value(std::string_view text, const Limits& limits, std::int64_t& value) {
  return parse_number(text, limits, value);
}
std::string parse_value(std::string_view text, const Limits& limits, std::uint64_t& value) {
  return parse_number(text, limits, value);
}
std::string parse_value(std::string_view text, const Limits& limits, double& value) {
  return parse_number(text, limits, value);
}
std::string parse_value(std::string_view text, const Limits&, Precision& value) {
  return parse_word(text, kPrecisionWords, value);
}
std::string parse_value(std::string_view text, const Limits&, DeviceChoice& value) {
  return parse_word(text, kDeviceWords, value);
}
std::string parse_value(std::string_view text, const Limits&, TaskKind& value) {
  return parse_word(text, kTaskWords, value);
}
std::string parse_value(std::string_view text, const Limits&, OptimizerName& value) {
  return parse_word(text, kOptimizerWords, value);
}
std::string parse_value(std::string_view text, const Limits&, Averaging& value) {
  return parse_word(text, kAveragingWords, value);
}
std::string parse_value(std::string_view text, const Limits&, RateDecay& value) {
  return parse_word(text, kDecayWords, value);
}
std::string parse_value(std::string_view text, const Limits&, BatchRule& value) {
  return parse_word(text, kBatchRuleWords, value);
}
std::string parse_value(std::string_view text, const Limits& limits, Recompute& value) {
  Recompute parsed;
  if (parse_word(text, kRecomputeWords, parsed.kind).empty()) {
    value = parsed;
    return "";
  }
  constexpr std::string_view kBefore = "levels(";
  std::string_view number = trimmed(text);
  parsed.kind = Recompute::Kind::levels;
  if (number.starts_with(kBefore) && number.ends_with(")")) {
    number = number.substr(kBefore.size(), number.size() - kBefore.size() - 1);
    if (parse_number(number, limits, parsed.levels).empty()) {
      value = parsed;
      return "";
    }
  }
  return "none, gates, or levels(n) with n " + number_expected<std::int64_t>(limits);
}
std::string parse_value(std::string_view text, const Limits& limits, AutomaticCount& value) {
  if (trimmed(text) == "auto") {
    value = {};
    return "";
  }
  const std::string expected = parse_number(text, limits, value.count);
  return expected.empty() ? "" : "auto, or " + expected;
}
std::string parse_value(std::string_view text, const Limits& limits, VocabularyLayout& value) {
  int ranks = 0;
  const std::string number_wanted = parse_number(text, limits, ranks);
  if (number_wanted.empty()) {
    value = {VocabularyLayout::Kind::ranks, ranks};
    return "";
  }
  VocabularyLayout::Kind kind{};
  if (!parse_word(text, kVocabularyWords, kind).empty()) return "replicated, stages, world, or " + number_wanted;
  value = {kind, 1};
  return "";
}
std::string parse_value(std::string_view text, const Limits& limits, std::vector<int>& value) {
  return parse_list(text, limits, value);
}
std::string parse_value(std::string_view text, const Limits& limits, std::vector<std::int64_t>& value) {
  return parse_list(text, limits, value);
}

std::string words_of(bool) { return list_words(kSwitchWords); }
std::string words_of(Precision) { return list_words(kPrecisionWords); }
std::string words_of(DeviceChoice) { return list_words(kDeviceWords); }
std::string words_of(TaskKind) { return list_words(kTaskWords); }
std::string words_of(OptimizerName) { return list_words(kOptimizerWords); }
std::string words_of(Averaging) { return list_words(kAveragingWords); }
std::string words_of(RateDecay) { return list_words(kDecayWords); }
std::string words_of(BatchRule) { return list_words(kBatchRuleWords); }
std::string words_of(const Recompute&) { return "none, gates or levels(n)"; }
std::string words_of(AutomaticCount) { return "auto or a number"; }
std::string words_of(const VocabularyLayout&) { return "replicated, stages, world or a number"; }

}  // namespace trellis
