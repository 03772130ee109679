// What a run's settings say of its length, as pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "config/settings.h"
#include "report/run_length.h"

namespace trellis {

// Optimizer steps of a pass over a text of so many tokens. where: what they are, for errors. Throws ConfigError (78) where its lanes
// are too short.
std::int64_t steps_of_text_pass(std::int64_t tokens, const TrainSettings& settings, const std::string& where);

// validates: the corpus has a split for it.
RunCalendar run_calendar(const Settings& settings, std::int64_t steps_of_pass, bool validates);

// Of settings with a limit: which ends the run, and where: "the run ends at step 450 (train.steps), 0.11 of a pass of 4079 steps".
std::string end_text(const TrainSettings& settings, std::int64_t steps_of_pass);

// The word that makes a run that has ended go on for as long again: "train.steps=900". reason: of the stop, a setting of [train].
std::optional<std::string> longer(const TrainSettings& settings, const std::string& reason);

}  // namespace trellis
