// The learning rate as a pure function of where the run stands: the step, the epochs finished and how often validation
// asked for a fall. No clock and no state but PlateauState, whose few numbers a checkpoint stores.
// Falls at milestones and plateaus as in the authors' published scripts (Bai, Kolter and Koltun 2019, word and character
// models); the decays to the end are those of large-batch recipes.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace trellis {

// What the rate is multiplied by when it was tuned for steps of another size: the ratio of the sizes itself, when a step
// of n times the tokens is to go as far as n steps (linear; Goyal et al. 2017), or its root, when the noise of a step is to
// stay as it was (square_root; You et al. 2020, for Adam and LAMB).
enum class BatchRule { none, linear, square_root };

// Sizes in tokens (of a classifier: sequences) that carry loss: those of a step now, and of a step that the rate was tuned
// for. Throws InternalError unless both are positive; 1, whatever they are, without a rule.
double batch_factor(BatchRule rule, std::int64_t scored_per_step, std::int64_t reference);

// How the rate falls step by step, from the end of the warm-up on, t steps after it:
//   cosine                floor + (rate - floor) (1 + cos(pi t / decay_steps)) / 2, and the floor from decay_steps on
//                         (Loshchilov and Hutter 2017, one cycle)
//   inverse_square_root   rate / sqrt(1 + t / decay_steps), not below the floor; with decay_steps = warmup_steps that of
//                         Vaswani et al. 2017, in proportion to 1 / sqrt(step)
enum class RateDecay { none, cosine, inverse_square_root };

struct LearningRateSchedule {
  double base = 0.002;                        // the rate after warm-up, before any fall
  std::int64_t warmup_steps = 0;              // step s < warmup_steps runs at base * (s + 1) / warmup_steps
  std::vector<std::int64_t> milestones = {};  // epochs finished, rising: one fall at each
  double factor = 0.1;                        // every fall multiplies the rate by this, in (0, 1]
  double floor = 0;  // falls and decay stop here; a base below it stays as it is, and warm-up is not lifted
  RateDecay decay = RateDecay::none;
  std::int64_t decay_steps = 0;  // at least 1 with a decay
  bool operator==(const LearningRateSchedule&) const = default;
};

// The rate of optimizer step `step` (counted from 0 over the whole run), when `epochs_finished` passes over the
// training split lie behind it and validation has asked for `plateau_falls` falls. Throws InternalError on a negative
// argument.
double learning_rate_at(const LearningRateSchedule& schedule, std::int64_t step, std::int64_t epochs_finished,
                        std::int64_t plateau_falls);

// "The rate falls when a validation loss is worse than the best before the last N validations."
// Each loss is compared with the lowest of those that came before the N preceding it, so the first N + 1 validations
// ask for nothing. Plain numbers, so that a checkpoint can hold it.
struct PlateauState {
  std::vector<double> recent = {};         // the last N losses at most, oldest first, in nats per token
  std::optional<double> best_before = {};  // lowest loss older than those; empty: there is none
  std::int64_t falls = 0;                  // times the rate was told to fall
  bool operator==(const PlateauState&) const = default;
};

// Enters one validation loss and says whether the rate falls now. `patience` is N; 0 never falls and keeps nothing.
// A loss that is not a number counts as worse than any. A smaller N than at the last call (changed at a resume) moves
// the surplus of `recent` into best_before.
bool observe_validation(PlateauState& state, double loss_nats_per_token, int patience);

}  // namespace trellis
