// The learning rate that the schedule starts from: the one given, scaled by the rule for the batch's size.
#pragma once

#include <cstdint>
#include <string>

#include "config/settings.h"

namespace trellis {

// Tokens (of a classifier: sequences) that carry loss in a full step of all ranks.
std::int64_t scored_per_step(const Settings& settings);

// optimizer.learning_rate under schedule.batch_rule.
double base_rate(const Settings& settings);

// "learning rate 0.004: 0.002 as tuned for 512 a step, times 2 for 2048 (schedule.batch_rule = square_root)"
std::string base_rate_text(const Settings& settings);

}  // namespace trellis
