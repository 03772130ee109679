// What a stack of levels (model/level_stack.h) allocates for a window: the rows and channels of every buffer. The stack
// allocates by this plan, and predictions of memory add it up, so the two cannot differ. Integers only.
//
// A step is a row a lane. In front of a level's input lies its halo: the (k-1)*d steps of h and d steps of c before the
// window, d being the level's dilation.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "plan/level_segments.h"
#include "plan/shard_range.h"
#include "plan/trellis_shape.h"

namespace trellis {

// What a window keeps of its levels for the backward pass.
struct Keep {
  bool all_gates = true;   // the gates of every level; otherwise they are computed again in backward
  std::int64_t every = 1;  // h and c are kept at the input of every so many levels, and in between computed again, too

  static const Keep gates;   // h, c and the gates of every level
  static const Keep states;  // h and c of every level
  static constexpr Keep states_of_every(std::int64_t levels) { return {.all_gates = false, .every = levels}; }
  bool operator==(const Keep&) const = default;
};
inline constexpr Keep Keep::gates{};
inline constexpr Keep Keep::states{.all_gates = false};

// With Keep::states, levels whose gates' gradients are kept at a time for one product. Where h and c are not kept at every
// level, those are the levels of a segment.
inline constexpr std::int64_t kLevelsPerProduct = 4;

// Bytes of an element. Activations may be narrower than weights, cells and sums.
struct ElementBytes {
  std::int64_t weights = 4, activations = 4;
  bool operator==(const ElementBytes&) const = default;
};

struct RowBuffer {
  enum class Of { values, activations } of = Of::values;  // what type its elements have
  std::int64_t rows = 0, channels = 0;
  std::int64_t halo_rows = 0;  // of the rows
  std::int64_t bytes(const ElementBytes& element) const { return rows * row_bytes(element); }
  std::int64_t halo_bytes(const ElementBytes& element) const { return halo_rows * row_bytes(element); }
  std::int64_t row_bytes(const ElementBytes& element) const {
    return channels * (of == Of::values ? element.weights : element.activations);
  }
  bool operator==(const RowBuffer&) const = default;
};

struct LevelMemory {
  // One level's input. Where levels share one memory, `hidden` has no rows: it is a part of `inputs`.
  struct Boundary {
    std::int64_t hidden_halo = 0, cell_halo = 0;  // steps
    RowBuffer hidden, cell;                       // no rows where the input is not kept, but has a place of `workspace`
  };
  struct Injection {
    std::int64_t dilation = 1;
    RowBuffer product;
    std::optional<RowBuffer> gradient;  // empty: kept gates are summed into the product's place
    std::int64_t places = 0;            // of them, 8 bytes each
  };
  // Gradient that a chunk leaves for the one before it; needed by a window of several chunks.
  struct Carry {
    RowBuffer hidden, cell;
  };

  LevelSegments segments;
  std::int64_t lanes = 0;
  std::int64_t hidden_halo = 0, cell_halo = 0;  // steps, of the level that reaches furthest
  bool one_dilation = false;                    // the levels share memory (see LevelStack)
  std::int64_t gate_halo = 0, gate_slots = 0;   // steps; levels whose gates are kept at a time
  std::int64_t pitch = 0;                       // rows from one level to the next in shared memory

  std::optional<RowBuffer> inputs;
  std::vector<Boundary> boundaries;    // of every level, then the output of the last
  std::vector<Boundary> workspace;     // inputs of a segment's levels but the first, by place - 1; halos of those that reach furthest
  RowBuffer gates;
  std::vector<Injection> injections;   // one a dilation of injected levels, in the levels' order
  RowBuffer embedded, d_embedded;
  std::vector<std::int64_t> outputs;   // numbers of the outputs that leave these levels
  RowBuffer output;                    // of each, and of its gradient; of the raw output's gradient where that is wanted
  RowBuffer d_hidden, d_cell;          // gradient of one level's input with its halo; two of d_cell
  std::vector<Carry> carries;          // of every level; none below level 0
  std::int64_t scratch = 0;            // activations: products of narrow ones on their way to a wider sum

  // Place of a level's input in `inputs`; none where it lies apart.
  std::optional<std::int64_t> place_in_inputs(std::int64_t level) const;

  // Bytes of all of it. chunks: of a window's time; raw_gradient: use_raw_output_gradient was called.
  struct Bytes {
    std::int64_t activations = 0, halo = 0;
    std::int64_t total() const { return activations + halo; }
  };
  Bytes bytes(const ElementBytes& element, const std::vector<Range>& chunks, bool raw_gradient) const;
};

// levels: numbers within the whole network; steps: of the longest window; mixed: activations are narrower than weights.
LevelMemory plan_level_memory(const TrellisShape& shape, Range levels, std::int64_t lanes, std::int64_t steps, Keep keep, bool mixed);

}  // namespace trellis
