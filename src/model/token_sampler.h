// Draws a text's next token from the network's probabilities. Plain numbers: no tensors, no MPI.
//
//   temperature T   p' is proportional to p^(1/T): below 1 sharper, above 1 flatter; 0: always the most probable token
//   top k           then only the k most probable tokens are kept
//   top p           then only the fewest of those, most probable first, that together have at least the share p of what k
//                   left (nucleus sampling: Holtzman, Buys, Du, Forbes and Choi 2020)
//
// Of equally probable tokens the one of lower id comes first. What is kept is drawn from in proportion to p'.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace trellis {

struct SamplingRule {
  double temperature = 1;                // at least 0
  std::int64_t top_k = 0;                // 0: all
  double top_p = 1;                      // in (0, 1]
  std::uint64_t seed = 1;
  std::optional<std::int64_t> excluded = {};  // a token that is never drawn
};

class TokenSampler {
 public:
  // Throws UsageError naming the flag of `trellis generate` if the rule is out of its limits.
  explicit TokenSampler(const SamplingRule& rule);

  // What may be drawn, by rising id.
  struct Candidate {
    std::int64_t id;
    double log_probability;  // as given
    double weight;           // it is drawn in proportion to this; the most probable one has 1
  };

  // log_probabilities: of every token by id, natural logarithms; -infinity is a token that never comes. Throws NumericError
  // when one is NaN or +infinity, or when no token is left.
  // The result lives until the next call.
  const std::vector<Candidate>& candidates(std::span<const double> log_probabilities);

  // The token at `position` of the text: a function of the seed, the position and the probabilities, and of nothing else.
  std::int64_t draw(std::span<const double> log_probabilities, std::int64_t position);

 private:
  static bool more_probable(const Candidate& a, const Candidate& b) {
    return a.log_probability != b.log_probability ? a.log_probability > b.log_probability : a.id < b.id;
  }
  void sort_by_id();
  void collect(std::span<const double> log_probabilities);
  void keep_most_probable(std::int64_t count);
  void keep_share(double share);

  SamplingRule rule_;
  std::vector<Candidate> candidates_;
};

}  // namespace trellis
