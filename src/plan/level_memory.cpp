#include "plan/level_memory.h"

#include <algorithm>

namespace trellis {

LevelMemory plan_level_memory(const TrellisShape& shape, Range levels, std::int64_t lanes, std::int64_t steps, Keep keep, bool mixed) {
  const std::int64_t H = shape.hidden;
  LevelMemory memory;
  memory.segments = {levels, keep.every};
  memory.lanes = lanes;
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
  std::int64_t places = 0;  // of inputs in one memory
  for (std::int64_t level = levels.begin; level <= levels.end; ++level) {
    const bool result_only = level == levels.end;
    LevelMemory::Boundary boundary;
    boundary.hidden_halo = result_only ? 0 : shape.halo_of(level);
    boundary.cell_halo = result_only ? 0 : shape.dilation_of(level);
    const std::optional<std::int64_t> place = memory.place_in_inputs(level);
    if (place) places = std::max(places, *place + 1);
    if (memory.segments.keeps_input_of(level)) {
      // below level 0 there is no h but the history: only the halo has rows
      if (!place) boundary.hidden = activations(boundary.hidden_halo, level == 0 ? 0 : steps, H);
      boundary.cell = values(boundary.cell_halo, steps, H);
    } else {
      const auto slot = static_cast<std::size_t>(memory.segments.place_of(level) - 1);
      if (memory.workspace.size() <= slot) memory.workspace.resize(slot + 1);
      memory.workspace[slot].hidden_halo = std::max(memory.workspace[slot].hidden_halo, boundary.hidden_halo);
      memory.workspace[slot].cell_halo = std::max(memory.workspace[slot].cell_halo, boundary.cell_halo);
    }
    memory.boundaries.push_back(boundary);
  }
  for (LevelMemory::Boundary& slot : memory.workspace) {
    if (!memory.one_dilation) slot.hidden = activations(slot.hidden_halo, steps, H);
    slot.cell = values(slot.cell_halo, steps, H);
  }
  if (memory.one_dilation) memory.inputs = activations(places * halo, places * steps, H);
  if (keep.all_gates) {
    memory.gate_slots = levels.size();
  } else if (keep.every > 1) {
    memory.gate_slots = memory.segments.longest();
  } else {
    memory.gate_slots = memory.one_dilation ? std::min(levels.size(), kLevelsPerProduct) : 1;
  }
  memory.gates = activations(memory.gate_slots * memory.gate_halo, memory.gate_slots * steps, 4 * H);

  for (std::int64_t level = levels.begin; level < levels.end; ++level) {
    if (!shape.injected(level)) continue;
    const std::int64_t dilation = shape.dilation_of(level);
    auto shared = std::find_if(memory.injections.begin(), memory.injections.end(), [&](const auto& i) { return i.dilation == dilation; });
    if (shared == memory.injections.end()) {
      memory.injections.push_back({.dilation = dilation, .product = activations(0, steps, 4 * H), .gradient = {}});
      shared = memory.injections.end() - 1;
      // kept gates are summed at once when all levels' gradients are there, into the product's place, which nobody reads any more
      if (!keep.all_gates) shared->gradient = values(0, steps, 4 * H);
    }
    if (keep.all_gates) ++shared->places;
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

std::optional<std::int64_t> LevelMemory::place_in_inputs(std::int64_t level) const {
  if (!one_dilation || level == segments.levels.end) return std::nullopt;
  if (segments.every > 1) return segments.place_of(level) > 0 ? std::optional(segments.place_of(level) - 1) : std::nullopt;
  const std::int64_t first = std::max<std::int64_t>(segments.levels.begin, 1);
  return level >= first ? std::optional(level - first) : std::nullopt;
}

LevelMemory::Bytes LevelMemory::bytes(const ElementBytes& element, const std::vector<Range>& chunks, bool raw_gradient) const {
  Bytes sum;
  const auto add = [&](const RowBuffer& buffer, std::int64_t times = 1) {
    sum.halo += times * buffer.halo_bytes(element);
    sum.activations += times * (buffer.bytes(element) - buffer.halo_bytes(element));
  };
  if (inputs) add(*inputs);
  for (const std::vector<Boundary>* const inputs_apart : {&boundaries, &workspace}) {
    for (const Boundary& boundary : *inputs_apart) {
      add(boundary.hidden);
      add(boundary.cell);
    }
  }
  for (std::int64_t level = segments.levels.begin; level < segments.levels.end; ++level) {
    if (segments.keeps_input_of(level)) continue;
    const Boundary& boundary = boundaries[static_cast<std::size_t>(level - segments.levels.begin)];
    for (std::size_t n = 0; n + 1 < chunks.size(); ++n) {  // what the chunk leaves to later ones
      const auto end_bytes = [&](std::int64_t halo, const RowBuffer& row) {
        return std::min(halo, chunks[n].size()) * lanes * row.row_bytes(element);
      };
      sum.halo += end_bytes(boundary.hidden_halo, d_hidden) + end_bytes(boundary.cell_halo, d_cell);
    }
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
    if (chunks.size() < 2) continue;
    add(carry.hidden);
    add(carry.cell);
  }
  sum.activations += scratch * element.activations;
  return sum;
}

}  // namespace trellis
