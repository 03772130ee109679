#include "predict/run_numbers.h"

#include "plan/elementary.h"
#include "plan/vocabulary_stripes.h"

namespace trellis {

std::vector<double> zipf_shares(std::int64_t vocabulary, const std::vector<std::int64_t>& cutoffs) {
  const VocabularyStripes clusters(vocabulary, cutoffs, 1);
  const auto mass = [](std::int64_t words) { return logarithm((static_cast<double>(words) + 2.2) / 2.2); };  // integral from rank 1/2
  std::vector<double> shares;
  for (std::int64_t cluster = 0; cluster < clusters.clusters(); ++cluster) {
    const Range words = clusters.words(cluster);
    shares.push_back((mass(words.end) - mass(words.begin)) / mass(vocabulary));
  }
  return shares;
}

std::vector<double> shares_of_counts(const std::vector<std::uint64_t>& counts, const std::vector<std::int64_t>& cutoffs) {
  const VocabularyStripes clusters(static_cast<std::int64_t>(counts.size()), cutoffs, 1);
  std::vector<double> shares(static_cast<std::size_t>(clusters.clusters()), 0);
  double all = 0;
  for (std::int64_t cluster = 0; cluster < clusters.clusters(); ++cluster) {
    const Range words = clusters.words(cluster);
    for (std::int64_t word = words.begin; word < words.end; ++word) {
      shares[static_cast<std::size_t>(cluster)] += static_cast<double>(counts[static_cast<std::size_t>(word)]);
    }
    all += shares[static_cast<std::size_t>(cluster)];
  }
  if (all == 0) return {};
  for (double& share : shares) share /= all;
  return shares;
}

std::vector<double> cluster_shares_of(const RunNumbers& run) {
  return run.cluster_shares.empty() ? zipf_shares(run.shape.vocabulary, run.shape.cutoffs) : run.cluster_shares;
}

}  // namespace trellis
