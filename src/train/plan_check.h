// A run's first steps held against what was planned for its mesh (predict/prediction.h): memory and bytes sent are told at the start,
// and beside what is then measured after some steps.
#pragma once

#include <cstdint>
#include <optional>

#include "comm/mesh_groups.h"
#include "predict/run_numbers.h"

namespace trellis {

class PlanCheck {
 public:
  // groups must outlive this. chunks: of time.
  PlanCheck(const RunNumbers& run, const MeshGroups& groups, std::int64_t chunks);

  // After each step; tells once. Every rank's own bytes are counted, rank 0 tells its own.
  void after_step();

 private:
  std::int64_t sent_so_far() const;

  RunNumbers run_;
  const MeshGroups& groups_;
  std::int64_t steps_ = 0, sent_at_first_ = 0, planned_bytes_ = 0, planned_memory_ = 0;
  double begun_ = 0;
};

}  // namespace trellis
