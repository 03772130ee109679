// How fast a machine is, as assumed or measured, and what one rank's work costs with it.
#pragma once

#include <cstdint>
#include <optional>

#include "plan/pipeline_schedule.h"
#include "predict/run_numbers.h"

namespace trellis {

struct Link {
  double bytes_per_second = 1, latency_seconds = 0;  // of one rank
  double summed_bytes_per_second = 0;                // where numbers are summed on the way; 0: the same
};

// Seconds of the levels of one rank, forward and backward together. A unit is a chunk of time of a lane group, a row a step of
// a lane: a stage of L levels takes unit + L unit_level + rows (row + L row_level) for one of n rows.
struct BodyCost {
  double unit = 0, unit_level = 0;
  double row = 0, row_level = 0;
  double window_row_level = 0;  // the kernel's gradient, which comes once a window, where gates are kept
  // What level 0 costs of another: below it there is nothing but history.
  double lowest_level = static_cast<double>(kLowestLevelWork) / kLevelWork;
};

struct Rates {
  double flops = 1e11;             // of matrix products, a second and rank
  double memory_bandwidth = 2e10;  // bytes a second between a rank and its memory
  double unit_level = 2e-5;        // seconds that a level's calls take for each unit, however few rows it has
  Link intra{1e10, 1e-5}, inter{1.25e9, 5e-5};  // between ranks of a node, of two nodes
  int ranks_per_node = 0;                       // 0: all ranks are on one
  std::int64_t device_memory = 0;               // bytes a rank; 0: unknown

  // What was measured takes the place of what follows from the rates above.
  std::optional<BodyCost> body;
  std::optional<double> loss_row;        // seconds of a row and output in the loss, with all words on one rank
  std::optional<double> loss_window;     // seconds of the loss however few rows there are: the decoder's gradient; likewise
  std::optional<double> update_element;  // seconds of a parameter in norm and update
  std::optional<double> window_kernels;  // seconds of masks and effective kernels, and of turning back their gradient
  std::optional<std::int64_t> program_bytes;
};

// The costs that hold: measured where there are measured ones, otherwise from operations and bytes.
struct Costs {
  BodyCost body;
  double loss_row = 0, loss_window = 0, update_element = 0, window_kernels = 0;
};
Costs costs_of(const RunNumbers& run, const Rates& rates);

}  // namespace trellis
