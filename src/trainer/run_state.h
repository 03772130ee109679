// Where a run stands, as plain numbers: what a checkpoint holds besides tensors. There is no random state: masks are a
// function of the seed and `step`.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "plan/learning_rate.h"
#include "plan/pipeline_schedule.h"

namespace trellis {

struct BestValidation {
  double loss_nats = 0;
  std::int64_t step = 0;
  bool operator==(const BestValidation&) const = default;
};

struct RunState {
  std::int64_t step = 0;    // optimizer steps done = windows consumed, over all epochs
  std::int64_t epoch = 0;   // passes over the training split finished
  std::int64_t window = 0;  // next window of the pass
  std::int64_t scored = 0;  // tokens or sequences, in training so far
  PlateauState plateau = {};
  std::optional<BestValidation> best = {};
  std::int64_t validations_without_best = 0;
  std::optional<std::int64_t> averaged_updates = {};  // averaged SGD: updates in the averages; empty before it begins
  bool validation_due = false;  // a validation after `step` was left, or not begun, and is still to be done
  std::optional<ChunkChoice> chunks = {};  // where mesh.chunks is auto and the pipeline has stages
  bool operator==(const RunState&) const = default;

  // JSON has no word for what is not finite: such a loss among plateau.recent becomes null, and no number again.
  nlohmann::json to_json() const;
  // version: of the state (docs/formats.md), 1 to 4. Throws DataError naming `where` if something is missing, of another type,
  // negative or, where it counts, no whole number.
  static RunState from_json(const nlohmann::json& json, int version, const std::string& where);
};

}  // namespace trellis
