// What trellis plan prints: a table for people, or one JSON object for programs (docs/parallelism.md).
#pragma once

#include <string>
#include <vector>

#include "plan/prediction.h"

namespace trellis {

struct PlanHeading {
  int ranks = 1;
  bool measured = false;  // the rates, on this machine
};

// reports: best first, at least one. rows: of the table.
std::string plan_table(const RunNumbers& run, const Rates& rates, const PlanHeading& heading, const std::vector<PlanReport>& reports,
                       int rows);
std::string plan_json(const RunNumbers& run, const Rates& rates, const PlanHeading& heading, const std::vector<PlanReport>& reports);

}  // namespace trellis
