// What trellis plan prints: a table for people, or one JSON object for programs (docs/parallelism.md).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "predict/prediction.h"
#include "report/run_length.h"

namespace trellis {

// What the configured run consists of, as far as it is known.
struct PlanLength {
  std::optional<RunCalendar> calendar = {};       // empty without a corpus: nobody knows then how long a pass is
  std::optional<std::int64_t> total_steps = {};   // of the run, where settings fix them
  double scored_in_validation = 0, scored_in_step = 0;
  std::string text = {};  // "the run ends at step ...": for people
};

struct PlanHeading {
  int ranks = 1;
  bool measured = false;  // the rates, on this machine
  PlanLength length = {};
};

// Seconds of a pass with its validations, and of the whole run with its own, on the mesh of this report; empty where unknown.
// Checkpoints are left out.
std::optional<double> pass_seconds(const PlanLength& length, const PlanReport& report);
std::optional<double> run_seconds(const PlanLength& length, const PlanReport& report);

// reports: best first, at least one. rows: of the table.
std::string plan_table(const RunNumbers& run, const Rates& rates, const PlanHeading& heading, const std::vector<PlanReport>& reports,
                       int rows);
std::string plan_json(const RunNumbers& run, const Rates& rates, const PlanHeading& heading, const std::vector<PlanReport>& reports);

}  // namespace trellis
