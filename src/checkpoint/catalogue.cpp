#include "checkpoint/catalogue.h"

#include <algorithm>
#include <fmt/core.h>
#include <system_error>
#include <utility>

#include "base/errors.h"
#include "base/log.h"
#include "base/system_error.h"
#include "mpi/agreement.h"
#include "storage/directory.h"

namespace trellis {
namespace {

namespace fs = std::filesystem;
using namespace checkpoint;

constexpr const char* kTemporaryPrefix = ".tmp-";
constexpr const char* kRemovedPrefix = ".tmp-remove-";

std::vector<std::string> names_in(const fs::path& root) {
  return names_in_directory(root).value_or(std::vector<std::string>());
}

// What the system tells nothing about may be a checkpoint, and so may a link that leads nowhere just now.
bool may_be_checkpoint(const fs::path& path) {
  try {
    const PathKind kind = kind_of_path(path);
    return kind == PathKind::directory || kind == PathKind::absent;
  } catch (const MissingInputError&) {
    return true;
  }
}

std::vector<CatalogueEntry> list_here(const fs::path& root) {
  std::vector<CatalogueEntry> entries = entries_named_as_checkpoints(root);
  std::erase_if(entries, [](const CatalogueEntry& entry) { return !may_be_checkpoint(entry.path); });
  return entries;
}

void warn_of_plain_files(const fs::path& root) {
  for (const CatalogueEntry& entry : entries_named_as_checkpoints(root))
    if (!may_be_checkpoint(entry.path)) log_warning("{} is a file, not a checkpoint: it is passed over", entry.path.string());
}

struct Unopened {
  CatalogueEntry entry;
  UnopenedCheckpoint reason;
};

// older: the step of a whole one that is older than all of these, if there is one.
[[noreturn]] void refuse_to_choose(const std::vector<Unopened>& unopened, std::optional<std::int64_t> older,
                                   const fs::path& root, int ranks) {
  std::string what = "the run has checkpoints, but its newest cannot be opened";
  for (const auto& [entry, reason] : unopened)
    what += fmt::format("\n  {}: {} ({})", checkpoint_name(entry.step), reason.error.fact(), reason.error.where());
  if (older) what += fmt::format("\n  {}: whole, but older", checkpoint_name(*older));
  const auto in_question = std::ranges::find_if(unopened, [](const Unopened& one) { return !one.reason.damaged; });
  std::string fix = in_question == unopened.end() ? "" : in_question->reason.error.fix() + "; or ";
  if (older) fix += "name " + checkpoint_name(*older) + " itself (--resume DIR, --checkpoint DIR), ";
  else fix += "name another checkpoint (--resume DIR, --checkpoint DIR), ";
  fix += "or take another --run: none of these is touched, and nothing begins anew";
  const bool unavailable = std::ranges::any_of(unopened, [](const Unopened& one) {
    return !one.reason.damaged && one.reason.error.code() == ExitCode::input_missing;
  });
  if (unavailable) throw AgreedError<ExitCode::input_missing>(what, root.string(), fix, ranks);
  throw AgreedError<ExitCode::bad_data>(what, root.string(), fix, ranks);
}

}  // namespace

std::vector<CatalogueEntry> entries_named_as_checkpoints(const fs::path& root) {
  std::vector<CatalogueEntry> entries;
  for (const std::string& name : names_in(root)) {
    if (const auto step = step_of_name(name)) entries.push_back({*step, root / name});
  }
  std::ranges::sort(entries, {}, &CatalogueEntry::step);
  return entries;
}

std::vector<CatalogueEntry> list_checkpoints(const Communicator& communicator, const fs::path& root) {
  const auto found =
      agree(communicator, [&] { return communicator.rank() == 0 ? list_here(root) : std::vector<CatalogueEntry>(); });
  std::vector<std::int64_t> steps(
      static_cast<std::size_t>(communicator.broadcast(static_cast<std::int64_t>(found.size()), 0)));
  for (std::size_t i = 0; i < found.size(); ++i) steps[i] = found[i].step;
  communicator.broadcast(std::as_writable_bytes(std::span(steps)), 0);
  std::vector<CatalogueEntry> entries;
  for (const std::int64_t step : steps) entries.push_back({step, root / checkpoint_name(step)});
  return entries;
}

std::optional<CheckpointReader> open_newest_complete(const Communicator& communicator, const fs::path& root) {
  const std::vector<CatalogueEntry> entries = list_checkpoints(communicator, root);
  agree(communicator, [&] {
    if (communicator.rank() == 0) warn_of_plain_files(root);
  });
  std::vector<Unopened> unopened;
  for (auto entry = entries.rbegin(); entry != entries.rend(); ++entry) {
    auto opened = CheckpointReader::try_open(communicator, entry->path, Verify::hash);
    if (auto* const reason = std::get_if<UnopenedCheckpoint>(&opened)) {
      unopened.push_back({*entry, std::move(*reason)});
      continue;
    }
    if (!std::ranges::all_of(unopened, [](const Unopened& one) { return one.reason.damaged; }))
      refuse_to_choose(unopened, entry->step, root, communicator.size());
    if (communicator.rank() == 0)
      for (const Unopened& one : unopened)
        log_warning("passing over a damaged checkpoint, {}: {}", one.entry.path.string(), one.reason.error.what());
    return std::get<CheckpointReader>(std::move(opened));
  }
  if (!unopened.empty()) refuse_to_choose(unopened, std::nullopt, root, communicator.size());
  return std::nullopt;
}

void remove_stale(const Communicator& communicator, const fs::path& root) {
  agree(communicator, [&] {
    if (communicator.rank() != 0) return;
    for (const std::string& name : names_in(root)) {
      if (name.starts_with(kTemporaryPrefix)) remove_directory(root / name);
    }
  });
}

std::vector<std::int64_t> prune_checkpoints(const Communicator& communicator, const fs::path& root, int keep,
                                            std::optional<std::int64_t> best) {
  require(keep >= 1, "pruning keeps at least one checkpoint");
  std::vector<CatalogueEntry> entries;
  try {
    entries = list_checkpoints(communicator, root);
  } catch (const MissingInputError& error) {  // agreed: no reason to end a run that has just saved
    if (communicator.rank() == 0) log_warning("old checkpoints are not removed: {}", error.what());
    return {};
  }
  entries.resize(entries.size() - std::min(entries.size(), static_cast<std::size_t>(keep)));
  std::erase_if(entries, [&](const CatalogueEntry& entry) { return best && entry.step == *best; });
  std::vector<std::int64_t> removed;
  for (const CatalogueEntry& entry : entries) {
    const std::int64_t done = [&]() -> std::int64_t {
      if (communicator.rank() != 0) return 0;
      const fs::path doomed = root / (kRemovedPrefix + entry.path.filename().string());
      std::error_code error;
      remove_directory(doomed);  // left by a pruning that was killed
      fs::rename(entry.path, doomed, error);
      if (error) {
        log_warning("cannot remove the old checkpoint {}: {}", entry.path.string(), error.message());
        return 0;
      }
      remove_directory(doomed);
      return 1;
    }();
    if (communicator.broadcast(done, 0) == 1) removed.push_back(entry.step);
  }
  return removed;
}

}  // namespace trellis
