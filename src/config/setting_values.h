// How one setting's value is written and read, and within which limits it must lie. Numbers are written with the fewest
// digits that give the same number back, so a printed configuration is the same configuration.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "config/settings.h"

namespace trellis {

// A range of numbers, open or closed at either end; for a list it holds for each item. any() holds everything.
struct Limits {
  double low, high;
  bool low_included, high_included;
  bool contains(double value) const;
  std::string text() const;  // "at least 1", "from 0 to below 1", ...; empty for any()
};
namespace limits {  // the words of settings.def
Limits any();
Limits at_least(double low);
Limits above(double low);
Limits above(double low, double high);    // high included
Limits between(double low, double high);  // both included
Limits below(double low, double high);    // low included, high not
}  // namespace limits

// "16", "0.002", "true", "adam", "levels(8)", "1,2,4"; the empty list is the empty string.
std::string format_value(bool value);
std::string format_value(int value);
std::string format_value(std::int64_t value);
std::string format_value(std::uint64_t value);
std::string format_value(double value);
std::string format_value(Precision value);
std::string format_value(DeviceChoice value);
std::string format_value(TaskKind value);
std::string format_value(OptimizerName value);
std::string format_value(Averaging value);
std::string format_value(RateDecay value);
std::string format_value(BatchRule value);
std::string format_value(const Recompute& value);
std::string format_value(AutomaticCount value);
std::string format_value(const VocabularyLayout& value);
std::string format_value(const std::vector<int>& value);
std::string format_value(const std::vector<std::int64_t>& value);

// Reads `text` into `value`. Returns what would have been right ("a whole number, at least 1") when it cannot, leaving
// `value` as it was, and an empty string when it could. Blanks around the value and around list items are allowed;
// "nan", "inf", hexadecimal and trailing characters are not.
std::string parse_value(std::string_view text, const Limits& limits, bool& value);
std::string parse_value(std::string_view text, const Limits& limits, int& value);
std::string parse_value(std::string_view text, const Limits& limits, std::int64_t& value);
std::string parse_value(std::string_view text, const Limits& limits, std::uint64_t& value);
std::string parse_value(std::string_view text, const Limits& limits, double& value);
std::string parse_value(std::string_view text, const Limits& limits, Precision& value);
std::string parse_value(std::string_view text, const Limits& limits, DeviceChoice& value);
std::string parse_value(std::string_view text, const Limits& limits, TaskKind& value);
std::string parse_value(std::string_view text, const Limits& limits, OptimizerName& value);
std::string parse_value(std::string_view text, const Limits& limits, Averaging& value);
std::string parse_value(std::string_view text, const Limits& limits, RateDecay& value);
std::string parse_value(std::string_view text, const Limits& limits, BatchRule& value);
std::string parse_value(std::string_view text, const Limits& limits, Recompute& value);
std::string parse_value(std::string_view text, const Limits& limits, AutomaticCount& value);
std::string parse_value(std::string_view text, const Limits& limits, VocabularyLayout& value);
std::string parse_value(std::string_view text, const Limits& limits, std::vector<int>& value);
std::string parse_value(std::string_view text, const Limits& limits, std::vector<std::int64_t>& value);

// The words of a setting that is one of a few, "float32 or float64"; "true or false"; empty for numbers and lists.
std::string words_of(bool);
std::string words_of(Precision);
std::string words_of(DeviceChoice);
std::string words_of(TaskKind);
std::string words_of(OptimizerName);
std::string words_of(Averaging);
std::string words_of(RateDecay);
std::string words_of(BatchRule);
std::string words_of(const Recompute&);
std::string words_of(AutomaticCount);
std::string words_of(const VocabularyLayout&);
template <class T>
std::string words_of(const T&) {
  return "";
}

}  // namespace trellis
