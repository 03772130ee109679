#include "trainer/given_weights.h"

#include "base/log.h"
#include "mpi/agreement.h"
#include "mpi/same_on_all.h"
#include "train/rank_facts.h"
#include "trainer/run_directory.h"

namespace trellis {

void load_given_weights(const Ranks& ranks, const std::filesystem::path& checkpoint, const TakingNetwork& taking, const AllowedDifferences& allowed,
                        Parameters& weights) {
  expect_no_run(ranks.world, checkpoint);
  const CheckpointReader reader = CheckpointReader::open(ranks.world, checkpoint, Verify::hash);
  expect_same_on_all(ranks.world, {agree(ranks.world, [&] { return checkpoint_fact(reader); })});
  const std::vector<std::string> warnings = agree(ranks.world, [&] {
    std::vector<std::string> told = expect_same_network(known_network(reader, read_state(reader)), taking, allowed);
    load_weights(reader, weights);
    return told;
  });
  warn_once(ranks, warnings);
  log_info("weights from {}", checkpoint.string());
}

void warn_once(const Ranks& ranks, const std::vector<std::string>& warnings) {
  if (ranks.rank() != 0) return;
  for (const std::string& warning : warnings) log_warning("{}", warning);
}

}  // namespace trellis
