#include "cli/chosen_checkpoint.h"

#include <filesystem>
#include <optional>
#include <utility>

#include "base/system_error.h"
#include "checkpoint/catalogue.h"
#include "checkpoint/checkpoint_manifest.h"
#include "mpi/agreement.h"
#include "trainer/checkpointing.h"
#include "trainer/run_directory.h"

namespace trellis {

void ChosenCheckpoint::add_flags(CommandLine& line) {
  line.add("run", "DIR", "a run: its best checkpoint, or its newest if it was never validated", run)
      .on_ranks(CommandLine::OnRanks::place)
      .add("which", "best|newest", "which checkpoint of the run", which)
      .add("checkpoint", "DIR", "one checkpoint instead of a run", checkpoint)
      .on_ranks(CommandLine::OnRanks::place);
}

void ChosenCheckpoint::check() const {
  if (run.empty() == checkpoint.empty()) throw UsageError("give either --run or --checkpoint", "command line", "--help explains the flags");
  if (which != "best" && which != "newest") throw UsageError("--which is '" + which + "'", "command line", "give best or newest");
}

CheckpointReader ChosenCheckpoint::open(const Ranks& ranks) const {
  if (!checkpoint.empty()) expect_no_run(ranks.world, checkpoint);
  if (!checkpoint.empty()) return CheckpointReader::open(ranks.world, checkpoint, Verify::hash);
  const std::filesystem::path root = RunDirectory(run).checkpoints();
  agree(ranks.world, [&] {
    if (kind_of_path(run) != PathKind::directory) throw MissingInputError("there is no such run", run, "check --run");
    if (kind_of_entry(std::filesystem::path(run) / "manifest.json") != PathKind::absent) {
      throw MissingInputError("this is a checkpoint, not a run", run, "give it by --checkpoint");
    }
  });
  std::optional<CheckpointReader> newest = open_newest_complete(ranks.world, root);
  if (!newest) {
    throw AgreedError<ExitCode::input_missing>("the run has no checkpoint", root.string(), "train first, or give --checkpoint", ranks.size());
  }
  const std::optional<BestValidation> best = agree(ranks.world, [&] { return read_state(*newest).run.best; });
  if (which == "newest" || !best || best->step == newest->step()) return std::move(*newest);
  for (const CatalogueEntry& entry : list_checkpoints(ranks.world, root)) {
    if (entry.step == best->step) return CheckpointReader::open(ranks.world, entry.path, Verify::hash);
  }
  throw AgreedError<ExitCode::input_missing>("the run's best checkpoint is not there any more", (root / checkpoint::checkpoint_name(best->step)).string(),
                                             "take the newest by --which newest, or another one by --checkpoint", ranks.size());
}

}  // namespace trellis
