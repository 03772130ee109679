#include "plan/level_memory.h"

#include <algorithm>

namespace trellis {

LevelMemory plan_level_memory(const TrellisShape& shape, Range levels, std::int64_t lanes, std::int64_t steps, Keep keep, bool mixed) {
  const std::int64_t H = shape.hidden;
  LevelMemory memory;
  for (std::int64_t level = levels.begin; level < levels.end; ++level) {
    memory.hidden_halo = std::max(memory.hidden_halo, shape.halo_of(level));
    memory.cell_halo = std::max(memory.cell_halo, shape.dilation_of(level));
  }
  const auto values = [&](std::int64_t halo, std::int64_t own_steps, std::int64_t channels) {
    return RowBuffer{RowBuffer::Of::values, (halo + own_steps) * lanes, channels, halo * lanes};
  };
  const auto activations = [&](std::int64_t halo, std::int64_t own_steps, std::int64_t channels) {
    return RowBuffer{RowBuffer::Of::activations, (halo + own_steps) * lanes, channels, halo * lanes};
  };

  const std::int64_t halo = memory.hidden_halo;
  // the rows of zeros are multiplied too: not worth it where they are many
  memory.one_dilation = halo * 4 <= steps;
  for (std::int64_t level = levels.begin; level < levels.end; ++level) {
    memory.one_dilation = memory.one_dilation && shape.halo_of(level) == halo;
  }
  memory.gate_halo = memory.one_dilation ? halo : 0;
  memory.pitch = (memory.gate_halo + steps) * lanes;
  memory.first_shared = std::max<std::int64_t>(levels.begin, 1);
  if (memory.one_dilation) {
    const std::int64_t shared = levels.end - memory.first_shared;
    memory.inputs = activations(shared * halo, shared * steps, H);
  }
  for (std::int64_t level = levels.begin; level <= levels.end; ++level) {
    const bool result_only = level == levels.end;
    LevelMemory::Boundary boundary;
    boundary.hidden_halo = result_only ? 0 : shape.halo_of(level);
    boundary.cell_halo = result_only ? 0 : shape.dilation_of(level);
    const bool is_shared = memory.one_dilation && level > 0 && !result_only;
    // below level 0 there is no h but the history: only the halo has rows
    if (!is_shared) boundary.hidden = activations(boundary.hidden_halo, level == 0 ? 0 : steps, H);
    boundary.cell = values(boundary.cell_halo, steps, H);
    memory.boundaries.push_back(boundary);
  }
  memory.gate_slots = keep == Keep::gates ? levels.size() : memory.one_dilation ? std::min(levels.size(), kLevelsPerProduct) : 1;
  memory.gates = activations(memory.gate_slots * memory.gate_halo, memory.gate_slots * steps, 4 * H);

  for (std::int64_t level = levels.begin; level < levels.end; ++level) {
    if (!shape.injected(level)) continue;
    const std::int64_t dilation = shape.dilation_of(level);
    auto shared = std::find_if(memory.injections.begin(), memory.injections.end(), [&](const auto& i) { return i.dilation == dilation; });
    if (shared == memory.injections.end()) {
      memory.injections.push_back({.dilation = dilation, .product = activations(0, steps, 4 * H), .gradient = {}});
      shared = memory.injections.end() - 1;
      // kept gates are summed at once when all levels' gradients are there, into the product's place, which nobody reads any more
      if (keep != Keep::gates) shared->gradient = values(0, steps, 4 * H);
    }
    if (keep == Keep::gates) ++shared->places;
  }
  memory.embedded = activations(halo, steps, shape.embedding);
  memory.d_embedded = activations(0, steps, shape.embedding);
  for (std::int64_t level = levels.begin; level < levels.end; ++level) {
    for (const std::int64_t number : shape.outputs_of(level)) memory.outputs.push_back(number);
    const bool has_input = level > 0;
    memory.carries.push_back({.hidden = activations(has_input ? shape.halo_of(level) : 0, 0, H),
                              .cell = values(has_input ? shape.dilation_of(level) : 0, 0, H)});
  }
  memory.output = values(0, steps, shape.outputs);
  memory.d_hidden = activations(halo, steps, H);
  memory.d_cell = values(memory.cell_halo, steps, H);
  if (mixed) memory.scratch = 4 * shape.block_channels() * shape.block_channels() + 4 * H * shape.embedding;
  return memory;
}

LevelMemory::Bytes LevelMemory::bytes(const ElementBytes& element, bool several_chunks, bool raw_gradient) const {
  Bytes sum;
  const auto add = [&](const RowBuffer& buffer, std::int64_t times = 1) {
    sum.halo += times * buffer.halo_bytes(element);
    sum.activations += times * (buffer.bytes(element) - buffer.halo_bytes(element));
  };
  if (inputs) add(*inputs);
  for (const Boundary& boundary : boundaries) {
    add(boundary.hidden);
    add(boundary.cell);
  }
  add(gates);
  for (const Injection& injection : injections) {
    add(injection.product);
    if (injection.gradient) add(*injection.gradient);
    sum.activations += injection.places * 8;
  }
  add(embedded);
  add(d_embedded);
  add(output, 2 * static_cast<std::int64_t>(outputs.size()));
  const bool has_final = std::find(outputs.begin(), outputs.end(), 0) != outputs.end();
  if (raw_gradient && has_final) add(output);
  add(d_hidden);
  add(d_cell, 2);
  for (const Carry& carry : carries) {
    if (!several_chunks) continue;
    add(carry.hidden);
    add(carry.cell);
  }
  sum.activations += scratch * element.activations;
  return sum;
}

}  // namespace trellis
