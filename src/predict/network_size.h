// Parameters of a network as they lie in memory (model/parameters.h), and the floating-point operations of its definition.
#pragma once

#include <cstdint>
#include <vector>

#include "plan/trellis_shape.h"

namespace trellis {

// Elements of the flat buffer, padding included, in its order.
struct ParameterSize {
  std::int64_t vocabulary = 0;  // embedding and decoder bias: the rows that a rank of a vocabulary group owns
  std::int64_t body = 0;        // all else whose gradient ranks have to sum: kernels, bias, entries of clusters, experts
  std::int64_t gains = 0;       // of weight normalisation, behind that
  std::int64_t all() const { return vocabulary + body + gains; }
  bool operator==(const ParameterSize&) const = default;
};
// vocabulary_rows: words that the rank owns. Of a language model.
ParameterSize parameter_size(const TrellisShape& shape, std::int64_t vocabulary_rows);

// Parameters of the model, without padding and what is zero by construction.
std::int64_t parameter_count(const TrellisShape& shape);

// Operations of forward a token: the matrix products of the definition, a multiplication and an addition each, and nothing
// else. Backward takes twice as many. What a stage computes again, or can skip, does not change them.
struct ForwardFlops {
  double levels = 0;     // all of them
  double injection = 0;  // once for each dilation
  double softmax = 0;    // of all outputs; adaptive: a tail cluster for the tokens whose word lies in it
  double all() const { return levels + injection + softmax; }
};
inline constexpr double kForwardAndBackward = 3;

// cluster_shares: of the tokens, the head first (RunNumbers).
ForwardFlops forward_flops(const TrellisShape& shape, const std::vector<double>& cluster_shares);

// Forward operations of one row and output in the softmax, and of one row in one level.
double softmax_flops(const TrellisShape& shape, const std::vector<double>& cluster_shares);
double level_flops(const TrellisShape& shape);
double injection_flops(const TrellisShape& shape);  // of one dilation

}  // namespace trellis
