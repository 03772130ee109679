// What a run is asked to do, beyond its settings.
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "config/allowed_differences.h"
#include "config/settings_io.h"
#include "report/progress.h"
#include "trainer/profiled_steps.h"

namespace trellis {

enum class Resume { none, newest, from_path };

struct TrainRequest {
  LoadedSettings settings;
  bool settings_given = false;  // configuration files were named: a resume compares them with the checkpoint's settings
  std::vector<std::string> words;  // the command line's section.option=value, which a resume without file applies again
  std::filesystem::path data, run;
  Resume resume = Resume::none;
  std::filesystem::path checkpoint;                 // Resume::from_path
  std::optional<std::filesystem::path> init_from;   // weights to start from
  AllowedDifferences allowed;                       // from the network that they are of
  std::optional<ProfiledSteps> profile;
  // How many steps are started before the numbers of the one before them have come. No step computes anything else for it: they are
  // reported later, and a signal or train.seconds may stop the run so many steps later. Left out: 1 on a GPU, which then never waits
  // for this program, 0 on a CPU.
  std::optional<std::size_t> steps_ahead;
  std::optional<Progress::Style> progress;  // left out: with a bar where standard error leads to a terminal
  // Called on every rank as soon as it is known what the run's settings are, a resumed checkpoint's included, and before anything
  // is computed: for threads and time limits of the process.
  std::function<void(const Settings&)> use_settings;
};

}  // namespace trellis
