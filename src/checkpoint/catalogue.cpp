#include "checkpoint/catalogue.h"

#include <algorithm>
#include <system_error>

#include "base/errors.h"
#include "base/log.h"
#include "mpi/agreement.h"

namespace trellis {
namespace {

namespace fs = std::filesystem;
using namespace checkpoint;

constexpr const char* kTemporaryPrefix = ".tmp-";
constexpr const char* kRemovedPrefix = ".tmp-remove-";

// Names in the folder; none when there is no folder.
std::vector<std::string> names_in(const fs::path& root) {
  std::vector<std::string> names;
  std::error_code error;
  if (!fs::exists(root, error) && !error) return names;
  fs::directory_iterator entries(root, error);
  if (error)
    throw MissingInputError("cannot read the folder: " + error.message(), root.string(), "check its permissions");
  for (const auto& entry : entries) names.push_back(entry.path().filename().string());
  std::ranges::sort(names);
  return names;
}

std::vector<CatalogueEntry> list_here(const fs::path& root) {
  std::vector<CatalogueEntry> entries;
  for (const std::string& name : names_in(root)) {
    const auto step = step_of_name(name);
    if (step && fs::is_directory(root / name)) entries.push_back({*step, root / name});
  }
  std::ranges::sort(entries, {}, &CatalogueEntry::step);
  return entries;
}

}  // namespace

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
  std::vector<CatalogueEntry> entries = list_checkpoints(communicator, root);
  for (auto entry = entries.rbegin(); entry != entries.rend(); ++entry) {
    try {
      return CheckpointReader::open(communicator, entry->path, Verify::hash);
    } catch (const DataError& error) {  // agreed: every rank goes on to the next
      if (communicator.rank() == 0)
        log_warning("passing over a damaged checkpoint, {}: {}", entry->path.string(), error.what());
    } catch (const MissingInputError& error) {
      if (communicator.rank() == 0)
        log_warning("passing over an incomplete checkpoint, {}: {}", entry->path.string(), error.what());
    }
  }
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
  std::vector<CatalogueEntry> entries = list_checkpoints(communicator, root);
  require(keep >= 1, "pruning keeps at least one checkpoint");
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
