#include "trainer/run_start.h"

#include <utility>

#include "base/log.h"
#include "checkpoint/catalogue.h"
#include "config/settings_ranks.h"
#include "config/settings_resume.h"
#include "config/settings_validate.h"
#include "mpi/agreement.h"
#include "mpi/same_on_all.h"
#include "train/from_settings.h"
#include "train/rank_facts.h"
#include "trainer/shared_directory.h"

namespace trellis {
namespace {

// Among each other and against the ranks that are running.
void check_settings(const LoadedSettings& loaded, const Ranks& ranks) {
  validate(loaded.settings, loaded.origins);
  mesh_from(loaded.settings, ranks.size());
}

void expect_same_run(const CheckpointReader& checkpoint, const CheckpointState& saved, const Settings& settings, const Dataset& data) {
  if (const auto incompatible = incompatible_changes(saved.settings, settings); !incompatible.empty()) {
    throw ConfigError("settings differ that make it another run\n" + describe(incompatible), checkpoint.path().string(),
                      "give them as they were, or start a new run (with --init-from to keep the weights)");
  }
  data.expect_identity(saved.data);
  data.expect_run_goes_on(saved.data);
}

void tell_changes(const Settings& saved, const Settings& settings) {
  if (const auto noticed = noticed_changes(saved, settings); !noticed.empty()) {
    log_info("settings changed since the checkpoint:\n{}", describe(noticed));
  }
  if (const auto free = free_changes(saved, settings); !free.empty()) {
    log_info("settings changed since the checkpoint, without effect on the run's numbers:\n{}", describe(free));
  }
}

// The settings of the resumed run.
LoadedSettings resume_run(const Ranks& ranks, const TrainRequest& request, const RunDirectory& directory, const Dataset& data,
                          const CheckpointReader& checkpoint, CheckpointState& saved) {
  expect_same_on_all(ranks.world, {agree(ranks.world, [&] { return checkpoint_fact(checkpoint); })});
  saved = agree(ranks.world, [&] { return read_state(checkpoint); });
  LoadedSettings loaded = agree(ranks.world, [&] {
    LoadedSettings chosen = request.settings;
    if (!request.settings_given) {
      chosen = {saved.settings, {}};
      apply_words(chosen, request.words);
    }
    check_settings(chosen, ranks);
    expect_same_run(checkpoint, saved, chosen.settings, data);
    return chosen;
  });
  expect_same_on_all(ranks.world, facts_of(loaded.settings));
  if (request.resume == Resume::from_path) directory.refuse_other_run(ranks.world, loaded.settings);
  if (!tells_splits(saved.data) && ranks.rank() == 0) {
    log_warning("the checkpoint, of an older program, does not tell which text it was trained on: take care that {} is that one", request.data.string());
  }
  tell_changes(saved.settings, loaded.settings);
  log_info("resumed from {} (step {})", checkpoint.path().string(), saved.run.step);
  return loaded;
}

}  // namespace

RunStart start_run(const Ranks& ranks, const TrainRequest& request, const RunDirectory& directory, const Dataset& data) {
  Facts given = facts_of(request.settings.settings);
  append(given, corpus_facts(data));
  expect_same_on_all(ranks.world, given);

  if (request.resume == Resume::none) directory.refuse_existing(ranks.world);
  std::optional<CheckpointReader> resumed;
  if (request.resume == Resume::from_path) {
    expect_no_run(ranks.world, request.checkpoint);
    resumed = CheckpointReader::open(ranks.world, request.checkpoint, Verify::hash);
  }
  RunLock lock(ranks.world, directory.path());
  expect_shared(ranks.world, directory);
  if (request.resume == Resume::newest) {
    resumed = open_newest_complete(ranks.world, directory.checkpoints());
    if (!resumed) directory.refuse_lost_checkpoints(ranks.world);
  }
  remove_stale(ranks.world, directory.checkpoints());

  if (resumed) {
    CheckpointState saved;
    LoadedSettings settings = resume_run(ranks, request, directory, data, *resumed, saved);
    return {std::move(lock), std::move(settings), std::move(resumed), std::move(saved)};
  }
  if (request.resume == Resume::newest && !request.settings_given) {
    throw AgreedError<ExitCode::input_missing>("there is nothing to resume, and no --config to begin a run with", directory.path().string(),
                                               "check --run, or give --config", ranks.size());
  }
  if (request.resume == Resume::newest) log_info("nothing to resume in {}: a new run begins", directory.path().string());
  agree(ranks.world, [&] { check_settings(request.settings, ranks); });
  return {std::move(lock), request.settings, std::nullopt, {}};
}

}  // namespace trellis
