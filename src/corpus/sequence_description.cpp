#include "corpus/sequence_description.h"

#include <charconv>
#include <cmath>
#include <fmt/format.h>

namespace trellis {

std::string numbers_text(std::span<const double> numbers) { return fmt::format("{}", fmt::join(numbers, ",")); }

std::optional<std::vector<double>> numbers_from_text(std::string_view text) {
  std::vector<double> numbers;
  const char *at = text.data(), *const end = text.data() + text.size();
  while (true) {
    double number = 0;
    const auto [stopped, error] = std::from_chars(at, end, number);
    if (error != std::errc() || !std::isfinite(number)) return std::nullopt;
    numbers.push_back(number);
    if (stopped == end) return numbers;
    if (*stopped != ',') return std::nullopt;
    at = stopped + 1;
  }
}

}  // namespace trellis
