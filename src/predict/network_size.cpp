#include "predict/network_size.h"

#include <algorithm>
#include <set>

#include "plan/vocabulary_stripes.h"

namespace trellis {
namespace {

// Every tensor begins on a cache line (model/parameters.cpp).
std::int64_t padded(std::int64_t elements) { return (elements + 15) / 16 * 16; }

std::int64_t clusters(const TrellisShape& shape) { return static_cast<std::int64_t>(shape.cutoffs.size()); }

}  // namespace

ParameterSize parameter_size(const TrellisShape& shape, std::int64_t vocabulary_rows) {
  const std::int64_t gates = 4 * shape.hidden, K = shape.experts;
  ParameterSize size;
  size.vocabulary = padded(vocabulary_rows * shape.embedding) + padded(vocabulary_rows);
  size.body = padded(clusters(shape) * shape.outputs) + padded(clusters(shape)) + padded(K * shape.outputs) + padded(K) +
              padded(K * shape.embedding * shape.outputs) + padded(K * shape.embedding) + padded(gates) +
              padded(gates * shape.kernel * shape.embedding) + padded(gates * shape.kernel * shape.block_channels());
  size.gains = shape.weight_norm ? 2 * padded(gates) : 0;
  return size;
}

std::int64_t parameter_count(const TrellisShape& shape) {
  const std::int64_t gates = 4 * shape.hidden, K = shape.experts;
  const std::int64_t vocabulary = shape.vocabulary * (shape.embedding + 1);
  const std::int64_t layer = clusters(shape) * (shape.outputs + 1) + (K + K * shape.embedding) * (shape.outputs + 1);
  std::int64_t kernels = gates * shape.kernel * (shape.embedding + shape.block_channels());
  if (shape.groups > 0) kernels -= 4 * shape.block_channels() * shape.block_channels();  // no group lies below the first
  return vocabulary + layer + kernels + gates * (shape.weight_norm ? 3 : 1);
}

double level_flops(const TrellisShape& shape) {
  return 2.0 * static_cast<double>(shape.kernel * shape.block_channels()) * static_cast<double>(4 * shape.hidden);
}

double injection_flops(const TrellisShape& shape) {
  return 2.0 * static_cast<double>(shape.kernel * shape.embedding) * static_cast<double>(4 * shape.hidden);
}

double softmax_flops(const TrellisShape& shape, const std::vector<double>& cluster_shares) {
  const auto O = static_cast<double>(shape.outputs), E = static_cast<double>(shape.embedding), V = static_cast<double>(shape.vocabulary);
  if (const auto K = static_cast<double>(shape.experts); K > 0) return 2 * O * (K + K * E) + 2 * K * E * V;
  const VocabularyStripes words(shape.vocabulary, shape.cutoffs, 1);
  double classes = static_cast<double>(words.words(0).size() + clusters(shape));
  for (std::int64_t cluster = 1; cluster < words.clusters(); ++cluster) {
    classes += cluster_shares[static_cast<std::size_t>(cluster)] * static_cast<double>(words.words(cluster).size());
  }
  return 2 * O * classes;
}

ForwardFlops forward_flops(const TrellisShape& shape, const std::vector<double>& cluster_shares) {
  std::set<std::int64_t> dilations;
  for (std::int64_t level = 0; level < shape.levels; ++level) {
    if (shape.injected(level)) dilations.insert(shape.dilation_of(level));
  }
  return {.levels = static_cast<double>(shape.levels) * level_flops(shape),
          .injection = static_cast<double>(dilations.size()) * injection_flops(shape),
          .softmax = static_cast<double>(shape.output_count()) * softmax_flops(shape, cluster_shares)};
}

}  // namespace trellis
