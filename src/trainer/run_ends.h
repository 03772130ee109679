// Where a run begins and where it ended, for its report.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <filesystem>
#include <optional>

#include "config/settings.h"
#include "model/parameters.h"
#include "ranks/ranks.h"
#include "report/summary.h"
#include "train/dataset.h"
#include "trainer/run_directory.h"
#include "trainer/run_report.h"
#include "trainer/run_state.h"
#include "trainer/stop_rules.h"

namespace trellis {

RunStartEvent run_start_event(const Ranks& ranks, const Dataset& data, const Settings& settings, const at::Device& device, const ParameterLayout& layout);

// A step that was started last, when `state` already counts it, as far as it is known before its result.
FinishedStep step_under_way(const RunState& state, std::int64_t steps_of_pass, double learning_rate);

// saved_step: of the newest checkpoint. What the process did is left to the report. Checkpoints are named where they are there.
RunSummary end_summary(const Ranks& ranks, const RunDirectory& directory, const std::filesystem::path& data, const Settings& settings, const RunState& state,
                       std::optional<std::int64_t> saved_step, const Stop& stop);

}  // namespace trellis
