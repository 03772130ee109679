#include "report/run_length.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "report/wording.h"

namespace trellis {
namespace {

// Multiples of `every` in (after, to].
std::int64_t multiples(std::int64_t every, std::int64_t after, std::int64_t to) { return to / every - after / every; }

// Of both; none where the least common multiple lies beyond `to`.
std::int64_t common_multiples(std::int64_t a, std::int64_t b, std::int64_t after, std::int64_t to) {
  const std::int64_t factor = a / std::gcd(a, b);
  return factor > to / b ? 0 : multiples(factor * b, after, to);
}

std::string count_of(std::int64_t count, const char* what) { return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s"); }

std::string parts_text(const RunParts& parts, const PartSeconds& each) {
  std::string text = fmt::format("{} of {}", count_of(parts.steps, "step"), format_duration(each.step));
  if (parts.validations > 0) {
    text += fmt::format(", {}{}", count_of(parts.validations, "validation"),
                        each.validation ? fmt::format(" of about {}", format_duration(*each.validation)) : "");
  }
  return text;
}

// How many steps a run gets done within `seconds`: the most whose parts take no longer.
std::int64_t steps_within(double seconds, const RunCalendar& calendar, std::int64_t after, const PartSeconds& each) {
  std::int64_t low = 0, high = each.step > 0 && seconds < 1e15 ? static_cast<std::int64_t>(std::min(seconds / each.step, 1e15)) : 0;
  while (low < high) {
    const std::int64_t middle = low + (high - low + 1) / 2;
    if (seconds_of(parts_between(calendar, after, after + middle), each) <= seconds) {
      low = middle;
    } else {
      high = middle - 1;
    }
  }
  return low;
}

}  // namespace

RunParts parts_between(const RunCalendar& calendar, std::int64_t after, std::int64_t to) {
  RunParts parts;
  if (to <= after) return parts;
  parts.steps = to - after;
  const std::int64_t validation_every = calendar.validation_every > 0 ? calendar.validation_every : std::max<std::int64_t>(1, calendar.steps_of_pass);
  if (calendar.validates) parts.validations = multiples(validation_every, after, to);
  parts.checkpoints = parts.validations;
  bool one_at_end = calendar.validates && to % validation_every == 0;
  if (!calendar.validates && calendar.checkpoint_every == 0) {
    const std::int64_t pass = std::max<std::int64_t>(1, calendar.steps_of_pass);
    parts.checkpoints = multiples(pass, after, to);
    one_at_end = to % pass == 0;
  }
  if (calendar.checkpoint_every > 0) {
    parts.checkpoints += multiples(calendar.checkpoint_every, after, to);
    if (calendar.validates) parts.checkpoints -= common_multiples(calendar.checkpoint_every, validation_every, after, to);
    one_at_end = one_at_end || to % calendar.checkpoint_every == 0;
  }
  if (calendar.total_steps == to && !one_at_end) ++parts.checkpoints;
  return parts;
}

double seconds_of(const RunParts& parts, const PartSeconds& each) {
  return static_cast<double>(parts.steps) * each.step + static_cast<double>(parts.validations) * each.validation.value_or(0) +
         static_cast<double>(parts.checkpoints) * each.checkpoint.value_or(0);
}

double likely_validation_seconds(double validation_scored, double step_seconds, double step_scored) {
  return step_scored > 0 ? validation_scored / step_scored * step_seconds / 3 : 0;
}

void RunPace::step(double seconds, std::int64_t scored) {
  if (!warm_) {
    warm_ = true;
    return;
  }
  constexpr std::int64_t kMemory = 200;
  const double share = 1 / static_cast<double>(std::min(++measured_, kMemory));
  step_ += (seconds - step_) * share;
  step_scored_ += (static_cast<double>(scored) - step_scored_) * share;
}

std::optional<PartSeconds> RunPace::parts() const {
  if (measured_ == 0) return std::nullopt;
  PartSeconds parts{.step = step_, .validation = validation_, .checkpoint = checkpoint_};
  if (!parts.validation && scored_in_validation_ > 0) parts.validation = likely_validation_seconds(scored_in_validation_, step_, step_scored_);
  return parts;
}

std::string clock_text(std::time_t when, std::time_t now) {
  std::tm at{}, today{};
  localtime_r(&when, &at);
  localtime_r(&now, &today);
  char text[64];
  const bool same_day = at.tm_year == today.tm_year && at.tm_yday == today.tm_yday;
  const char* format = same_day ? "%H:%M" : std::abs(std::difftime(when, now)) < 6 * 86400.0 ? "%a %H:%M" : "%Y-%m-%d %H:%M";
  return {text, std::strftime(text, sizeof text, format, &at)};
}

std::string outlook_text(const RunOutlook& outlook, const PartSeconds& each, std::time_t now) {
  const RunCalendar& calendar = outlook.calendar;
  const std::string patience = outlook.patience > 0 ? fmt::format("; train.patience={} may end it sooner", outlook.patience) : "";
  const auto ends = [&](double seconds) {
    return seconds < 1e9 ? fmt::format("about {}", clock_text(now + static_cast<std::time_t>(std::llround(seconds)), now)) : "in more than 30 years";
  };
  const bool limited = outlook.seconds_left.has_value();
  const double limit = std::max(0.0, outlook.seconds_left.value_or(0));
  const auto cut = [&] {
    return fmt::format("train.seconds={:g} stops it {}, near step {}, to be resumed", outlook.seconds_limit, ends(limit),
                       outlook.step + steps_within(limit, calendar, outlook.step, each));
  };
  if (!calendar.total_steps) {
    std::string text = fmt::format("no last step is set: a step takes {}, a pass of {} {}", format_duration(each.step),
                                   count_of(calendar.steps_of_pass, "step"),
                                   format_duration(seconds_of(parts_between(calendar, 0, calendar.steps_of_pass), each)));
    if (limited) text += "; " + cut();
    return text + (outlook.patience > 0 ? fmt::format("; train.patience={} {}", outlook.patience, limited ? "may end it sooner" : "ends it") : "");
  }
  const std::int64_t total = *calendar.total_steps;
  const double left = seconds_of(parts_between(calendar, outlook.step, total), each);
  const double behind = seconds_of(parts_between(calendar, outlook.begun_at, outlook.step), each);
  const RunParts all = parts_between(calendar, outlook.begun_at, total);
  std::string text = fmt::format("about {} for {} ({})", format_duration(behind + left), outlook.begun_at == 0 ? "the whole run" : "the rest of the run",
                                 parts_text(all, each));
  text += limited && limit < left ? ", but " + cut() : ", ends " + ends(left);
  return text + patience;
}

}  // namespace trellis
