#include "model/token_sampler.h"

#include <algorithm>
#include <cmath>
#include <fmt/core.h>
#include <limits>

#include "base/errors.h"
#include "plan/elementary.h"
#include "plan/random.h"

namespace trellis {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// Uniform in (0, 1), both ends left out: 52 bits and a half.
double uniform(std::uint64_t seed, std::int64_t position) {
  const RandomStream stream{.seed = seed, .window = static_cast<std::uint64_t>(position), .purpose = Purpose::generated_token, .part = 0};
  const auto words = stream.block(0);
  return (static_cast<double>((std::uint64_t{words[0]} << 32 | words[1]) >> 12) + 0.5) * 0x1p-52;
}

}  // namespace

TokenSampler::TokenSampler(const SamplingRule& rule) : rule_(rule) {
  const auto wrong = [](const std::string& what, const char* fix) { throw UsageError(what, "command line", fix); };
  if (!(rule.temperature >= 0 && std::isfinite(rule.temperature)))
    wrong(fmt::format("--temperature is {}, expected at least 0", rule.temperature), "0 takes the most probable token, 1 samples as the network says");
  if (rule.top_k < 0) wrong(fmt::format("--top-k is {}, expected at least 0", rule.top_k), "0 leaves all tokens in");
  if (!(rule.top_p > 0 && rule.top_p <= 1)) wrong(fmt::format("--top-p is {}, expected above 0 and at most 1", rule.top_p), "1 leaves all tokens in");
}

void TokenSampler::collect(std::span<const double> log_probabilities) {
  candidates_.clear();
  for (std::size_t n = 0; n < log_probabilities.size(); ++n) {
    const double value = log_probabilities[n];
    if (std::isnan(value) || value == kInfinity)
      throw NumericError(fmt::format("the log-probability of token {} is {}", n, std::isnan(value) ? "nan" : "inf"), "", "take another checkpoint");
    const auto id = static_cast<std::int64_t>(n);
    if (value > -kInfinity && id != rule_.excluded) candidates_.push_back({.id = id, .log_probability = value, .weight = 0});
  }
  if (candidates_.empty()) throw NumericError("no token has a probability above 0", "", "take another checkpoint");
}

void TokenSampler::sort_by_id() {
  std::sort(candidates_.begin(), candidates_.end(), [](const Candidate& a, const Candidate& b) { return a.id < b.id; });
}

void TokenSampler::keep_most_probable(std::int64_t count) {
  if (count >= static_cast<std::int64_t>(candidates_.size())) return;
  std::nth_element(candidates_.begin(), candidates_.begin() + (count - 1), candidates_.end(), &more_probable);
  candidates_.resize(static_cast<std::size_t>(count));
  sort_by_id();
}

void TokenSampler::keep_share(double share) {
  double total = 0, kept = 0;
  for (const Candidate& candidate : candidates_) total += candidate.weight;
  // a heap, since few are taken from many; those taken gather at the end
  const auto less_probable = [](const Candidate& a, const Candidate& b) { return more_probable(b, a); };
  std::make_heap(candidates_.begin(), candidates_.end(), less_probable);
  auto rest = candidates_.end();
  while (rest != candidates_.begin() && kept < share * total) {
    std::pop_heap(candidates_.begin(), rest, less_probable);
    kept += (--rest)->weight;
  }
  candidates_.erase(candidates_.begin(), rest);
  sort_by_id();
}

const std::vector<TokenSampler::Candidate>& TokenSampler::candidates(std::span<const double> log_probabilities) {
  collect(log_probabilities);
  if (rule_.temperature == 0) {
    keep_most_probable(1);
  } else if (rule_.top_k > 0) {
    keep_most_probable(rule_.top_k);
  }
  const double largest = std::max_element(candidates_.begin(), candidates_.end(), [](const Candidate& a, const Candidate& b) {
                           return a.log_probability < b.log_probability;
                         })->log_probability;
  for (Candidate& candidate : candidates_) {
    const double below = candidate.log_probability - largest;
    candidate.weight = below == 0 ? 1 : exponential(below / rule_.temperature);
  }
  if (rule_.top_p < 1) keep_share(rule_.top_p);
  return candidates_;
}

std::int64_t TokenSampler::draw(std::span<const double> log_probabilities, std::int64_t position) {
  candidates(log_probabilities);
  double total = 0, passed = 0;
  for (const Candidate& candidate : candidates_) total += candidate.weight;
  const double wanted = uniform(rule_.seed, position) * total;
  for (const Candidate& candidate : candidates_) {
    passed += candidate.weight;
    if (passed > wanted) return candidate.id;
  }
  throw InternalError("a draw went past the last token", "", "");  // `passed` ends at `total`, summed in the same order
}

}  // namespace trellis
