// What a step of a run would take on a mesh: memory, traffic and time of the ranks that need most of each.
#pragma once

#include <cstdint>
#include <vector>

#include "plan/mesh.h"
#include "predict/planned_traffic.h"
#include "predict/rank_memory.h"
#include "predict/rates.h"
#include "predict/run_numbers.h"

namespace trellis {

// Seconds of a step, one after another; what overlaps is counted once.
struct StepTime {
  double embedding = 0;        // rows of the vocabulary group, and their gradients after backward
  double forward = 0;          // the wave through the stages, the bubble included
  double loss = 0;             // softmax, its rows dealt and gathered, its numbers
  double backward = 0;         // the wave, the bubble included
  double kernel_gradient = 0;  // once a window
  double reduction = 0;        // sums over replicas and copies, as far as they do not run beside backward
  double kernels = 0;          // masks, effective kernels and their gradient
  double update = 0;           // norm and update
  double total() const { return embedding + forward + loss + backward + kernel_gradient + reduction + kernels + update; }
};

struct PlanReport {
  Mesh mesh;
  std::int64_t chunks = 1, units = 1;
  RankMemory memory;          // of the rank that needs most
  std::vector<Flow> traffic;  // of the rank that sends most
  StepTime time;
  double bubble = 0;          // share of the waves in which a stage waits
  double tokens_per_second = 0;
  double efficiency = 0;      // tokens/s against as many times those of one rank

  bool fits(std::int64_t device_memory) const { return device_memory == 0 || memory.total() <= device_memory; }
};

// Chunks of time that make the waves of this mesh shortest.
std::int64_t fastest_chunks(const RunNumbers& run, const Mesh& mesh, const Rates& rates);

// What mesh.chunks=auto is: the fastest by the rates that are assumed of any machine; on GPUs, of whose rates that says nothing, four
// a stage. The order of sums in a stage depends on it, so it follows from the run and its mesh alone: were it measured, two runs of
// the same settings would differ in their last bits.
std::int64_t chunks_by_rule(const RunNumbers& run, const Mesh& mesh);

// chunks: 0: the fastest.
PlanReport predict(const RunNumbers& run, const Mesh& mesh, std::int64_t chunks, const Rates& rates);
// The same where tokens/s of one rank are known already.
PlanReport predict(const RunNumbers& run, const Mesh& mesh, std::int64_t chunks, const Rates& rates, double one_rank_tokens_per_second);

// What a call of `flow` takes. Groups that span nodes reduce inside each node first.
double seconds_of(const Flow& flow, const Rates& rates);

}  // namespace trellis
