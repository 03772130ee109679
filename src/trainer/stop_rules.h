// When a run is over by its settings, as pure functions of where it stands.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "config/settings.h"
#include "trainer/run_state.h"

namespace trellis {

// Why a run ends. Resumable ends leave work to do; the others are what the settings asked for.
struct Stop {
  std::string reason;  // the setting of [train] that ended it, or "signal"
  bool resumable = false;
};

// What train.steps, train.epochs or train.patience says after a step, in this order; nothing while there is more to do.
std::optional<Stop> finished(const TrainSettings& settings, const RunState& state);

// Steps of so many passes; the largest number there is where they are more than that.
std::int64_t steps_of_passes(std::int64_t passes, std::int64_t windows_of_a_pass);

// Steps of the whole run as far as settings fix them; nothing where only patience or time ends it.
std::optional<std::int64_t> total_steps(const TrainSettings& settings, std::int64_t windows_of_a_pass);

}  // namespace trellis
