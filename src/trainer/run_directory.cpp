#include "trainer/run_directory.h"

#include <fmt/format.h>

#include <charconv>
#include <fstream>
#include <optional>
#include <string_view>
#include <vector>

#include "base/errors.h"
#include "base/log.h"
#include "base/system_error.h"
#include "checkpoint/catalogue.h"
#include "config/settings_io.h"
#include "config/settings_resume.h"
#include "mpi/agreement.h"
#include "storage/replace_file.h"

namespace trellis {

namespace fs = std::filesystem;

namespace {

// The step of the last checkpoint that a run's metrics tell of (docs/formats.md).
std::optional<std::int64_t> last_told_checkpoint(const fs::path& metrics) {
  std::optional<std::int64_t> last;
  std::ifstream file(metrics);
  for (std::string line; std::getline(file, line);) {
    constexpr std::string_view kStep = "\"step\":";
    const std::size_t at = line.find(kStep);
    std::int64_t step = 0;
    if (line.find("\"event\":\"checkpoint\",") == std::string::npos || at == std::string::npos) continue;
    if (std::from_chars(line.data() + at + kStep.size(), line.data() + line.size(), step).ec == std::errc()) last = step;
  }
  return last;
}

}  // namespace

void RunDirectory::refuse_existing(const Communicator& world) const {
  agree(world, [&] {
    if (world.rank() != 0) return;
    const auto names = names_in_directory(checkpoints());
    std::error_code unknown;  // then the size is not 0
    const bool begun = kind_of_entry(metrics()) != PathKind::absent && fs::file_size(metrics(), unknown) != 0;
    if ((!names || names->empty()) && !begun) return;
    throw OutputExistsError("the run directory already holds a run", path_.string(),
                            "go on with it by --resume auto, or give another --run directory");
  });
}

void RunDirectory::set_aside_after(const Communicator& world, std::int64_t step) const {
  agree(world, [&] {
    if (world.rank() != 0) return;
    for (const CatalogueEntry& entry : entries_named_as_checkpoints(checkpoints())) {
      if (entry.step <= step) continue;
      const fs::path first_choice = checkpoints() / ("aside-" + entry.path.filename().string());
      fs::path aside = first_choice;
      for (int n = 2; kind_of_entry(aside) != PathKind::absent; ++n) aside = first_choice.string() + "." + std::to_string(n);
      std::error_code error;
      fs::rename(entry.path, aside, error);
      if (error) {
        throw WriteError("this cannot be renamed: " + error.message(), entry.path.string(),
                         "check the folder's permissions, or move it away: the run goes on from an earlier one");
      }
      log_warning("{} is later than step {}, which the run goes on from: it is set aside as {}", entry.path.filename().string(), step,
                  aside.filename().string());
    }
  });
}

void RunDirectory::refuse_lost_checkpoints(const Communicator& world) const {
  agree(world, [&] {
    if (world.rank() != 0) return;
    const std::optional<std::int64_t> step = last_told_checkpoint(metrics());
    if (!step) return;
    throw MissingInputError(fmt::format("metrics.jsonl tells of checkpoints, the last of step {}, but none is here to be resumed", *step),
                            checkpoints().string(),
                            "bring them back (is a file system not mounted, was a folder renamed?), or give another --run; to begin anew in "
                            "this one, move its metrics.jsonl away");
  });
}

void RunDirectory::refuse_other_run(const Communicator& world, const Settings& settings) const {
  agree(world, [&] {
    if (world.rank() != 0) return;
    const auto its_settings = [&]() -> std::optional<Settings> {
      if (kind_of_path(RunDirectory::settings()) == PathKind::absent) return std::nullopt;
      try {
        return load_settings({RunDirectory::settings()}, {}).settings;
      } catch (const ConfigError&) {  // not ours to judge
        return std::nullopt;
      }
    }();
    if (!its_settings) return;
    const auto differences = incompatible_changes(*its_settings, settings);
    if (differences.empty()) return;
    const SettingChange& first = differences.front();
    throw OutputExistsError(fmt::format("the run directory holds another run than the checkpoint's: {} is {} there and {} in the checkpoint", first.key,
                                        first.saved, first.now),
                            path_.string(), "give that run's own directory, or a new one");
  });
}

void RunDirectory::write_settings(const Communicator& world, const std::string& ini) const {
  agree(world, [&] {
    if (world.rank() != 0) return;
    replace_file(settings(), ini);
  });
}

void expect_no_run(const Communicator& world, const std::filesystem::path& checkpoint) {
  agree(world, [&] {
    if (kind_of_path(RunDirectory(checkpoint).checkpoints()) != PathKind::directory) return;
    throw MissingInputError("this is a run, not a checkpoint", checkpoint.string(), "give one of the folders in its checkpoints/");
  });
}

}  // namespace trellis
