#include "train/plan_check.h"

#include "base/log.h"
#include "base/time_span.h"
#include "predict/prediction.h"
#include "report/memory.h"
#include "report/wording.h"

namespace trellis {
namespace {

// The first ones warm up.
constexpr std::int64_t kFirstMeasured = 8, kMeasured = 8;

}  // namespace

PlanCheck::PlanCheck(const RunNumbers& run, const MeshGroups& groups, std::int64_t chunks) : run_(run), groups_(groups) {
  for (const Flow& flow : traffic_of_rank(run, groups.mesh, chunks, groups.rank)) planned_bytes_ += flow.sent();
  planned_memory_ = rank_memory(run, groups.mesh, chunks, groups.rank).total();
  if (groups.rank != 0) return;
  log_info("planned for rank 0: {} beside the program, {} sent a step at most (trellis plan explains)", format_bytes(planned_memory_),
           format_bytes(planned_bytes_));
}

std::int64_t PlanCheck::sent_so_far() const {
  std::int64_t bytes = groups_.world.traffic().total();
  // a group that is the whole world is the world's own
  for (const ProcessGroup* const group : {&groups_.replica, &groups_.vocabulary, &groups_.copies}) {
    if (group->backend() != groups_.world.backend()) bytes += group->traffic().total();
  }
  return bytes;
}

void PlanCheck::after_step() {
  if (groups_.rank != 0 || steps_ > kFirstMeasured + kMeasured) return;
  ++steps_;
  if (steps_ == kFirstMeasured) {
    sent_at_first_ = sent_so_far();
    begun_ = steady_seconds();
  }
  if (steps_ != kFirstMeasured + kMeasured) return;
  const double seconds = (steady_seconds() - begun_) / kMeasured;
  const std::int64_t sent = (sent_so_far() - sent_at_first_) / kMeasured;
  const auto memory = process_memory().peak_bytes;
  log_info("measured: {:.1f} ms a step; rank 0 sent {} of {} planned, holds {} at most with the program, planned {} without it", seconds * 1e3,
           format_bytes(sent), format_bytes(planned_bytes_), memory ? format_bytes(*memory) : "an unknown number of bytes",
           format_bytes(planned_memory_));
}

}  // namespace trellis
