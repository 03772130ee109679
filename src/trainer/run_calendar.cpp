#include "trainer/run_calendar.h"

#include <fmt/format.h>

#include <limits>

#include "plan/windows.h"
#include "trainer/stop_rules.h"

namespace trellis {
namespace {

// "0.11", "3", "2.5": passes.
std::string passes(std::int64_t steps, std::int64_t steps_of_pass) {
  if (steps % steps_of_pass == 0) return fmt::format("{}", steps / steps_of_pass);
  return fmt::format("{:.3g}", static_cast<double>(steps) / static_cast<double>(steps_of_pass));
}

std::int64_t doubled(std::int64_t limit) { return limit > std::numeric_limits<std::int64_t>::max() / 2 ? limit : 2 * limit; }

}  // namespace

std::int64_t steps_of_text_pass(std::int64_t tokens, const TrainSettings& settings, const std::string& where) {
  const WindowPlan plan(tokens, settings.lanes, settings.window, settings.discard, WindowUse::training, where);
  return (plan.windows() + settings.accumulate - 1) / settings.accumulate;
}

RunCalendar run_calendar(const Settings& settings, std::int64_t steps_of_pass, bool validates) {
  return {.steps_of_pass = steps_of_pass,
          .total_steps = total_steps(settings.train, steps_of_pass),
          .validates = validates,
          .validation_every = settings.valid.every,
          .checkpoint_every = settings.checkpoint.every};
}

std::string end_text(const TrainSettings& train, std::int64_t steps_of_pass) {
  const std::string pass = fmt::format("a pass has {} step{}", steps_of_pass, steps_of_pass == 1 ? "" : "s");
  std::string sooner;
  if (train.patience > 0) sooner += fmt::format("train.patience={}", train.patience);
  if (train.seconds > 0) sooner += fmt::format("{}train.seconds={:g}", sooner.empty() ? "" : " or ", train.seconds);
  const auto total = total_steps(train, steps_of_pass);
  if (!total) return sooner.empty() ? pass : fmt::format("the run ends by {}; {}", sooner, pass);
  const bool by_steps = train.steps > 0 && *total == train.steps;
  std::string text = fmt::format("the run ends at step {} ({}={}), after {} pass{}; {}", *total, by_steps ? "train.steps" : "train.epochs",
                                 by_steps ? train.steps : train.epochs, passes(*total, steps_of_pass), *total == steps_of_pass ? "" : "es", pass);
  if (by_steps && train.epochs > 0) {
    text += fmt::format("; train.epochs={} would be step {}", train.epochs, steps_of_passes(train.epochs, steps_of_pass));
  }
  if (!by_steps && train.steps > 0) text += fmt::format("; train.steps={} would be later", train.steps);
  return text + (sooner.empty() ? "" : fmt::format("; or sooner, by {}", sooner));
}

std::optional<std::string> longer(const TrainSettings& settings, const std::string& reason) {
  if (reason == "steps") return fmt::format("train.steps={}", doubled(settings.steps));
  if (reason == "epochs") return fmt::format("train.epochs={}", doubled(settings.epochs));
  if (reason == "patience") return fmt::format("train.patience={}", doubled(settings.patience));
  return std::nullopt;
}

}  // namespace trellis
