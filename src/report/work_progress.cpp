#include "report/work_progress.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "report/wording.h"

namespace trellis {
namespace {

constexpr double kRedrawSeconds = 0.2, kLineSeconds = 10;

double share_of(const WorkSample& sample) { return static_cast<double>(sample.done) / static_cast<double>(std::max<std::int64_t>(sample.all, 1)); }

// Rate and time left, as far as they are known.
std::vector<std::string> speed(const WorkSample& sample, const std::string& unit) {
  if (sample.done == 0 || sample.seconds <= 0) return {};
  const double rate = static_cast<double>(sample.done) / sample.seconds;
  return {fmt::format("{} {}/s", format_count(rate), unit),
          fmt::format("{} left", format_duration(static_cast<double>(sample.all - sample.done) / rate))};
}

}  // namespace

std::string work_line(const WorkSample& sample, const std::string& unit) {
  std::string text = fmt::format("{} of {} {} ({:.0f} %)", sample.done, sample.all, unit, 100 * share_of(sample));
  for (const std::string& fact : speed(sample, unit)) text += ", " + fact;
  return text;
}

std::string work_bar(const WorkSample& sample, const std::string& unit, int width) {
  std::vector<std::string> facts{fmt::format("{}/{}", sample.done, sample.all)};
  for (const std::string& fact : speed(sample, unit)) facts.push_back(fact);
  const auto joined = [&] {
    std::string text = facts[0];
    for (std::size_t n = 1; n < facts.size(); ++n) text += (n == 1 ? " " : ", ") + facts[n];
    return text;
  };
  constexpr int kLeastBar = 6, kMostBar = 40, kFrame = 4;  // " [" and "] "
  const int room = std::max(width, 0);
  const std::string percent = fmt::format("{:3d}%", static_cast<int>(share_of(sample) * 100));
  const auto cells = [&] { return room - static_cast<int>(percent.size() + joined().size()) - kFrame; };
  while (facts.size() > 1 && cells() < kLeastBar) facts.pop_back();
  if (cells() < kLeastBar) return (percent + " " + joined()).substr(0, static_cast<std::size_t>(room));
  const int bar = std::min(cells(), kMostBar), filled = static_cast<int>(share_of(sample) * bar);
  return fmt::format("{} [{:#<{}}{:-<{}}] {}", percent, "", filled, "", bar - filled, joined());
}

WorkProgress::WorkProgress(std::FILE* stream, std::string unit, double now_seconds)
    : progress_(stream), unit_(std::move(unit)), begun_seconds_(now_seconds), shown_seconds_(now_seconds) {}

WorkProgress::WorkProgress(std::FILE* stream, Progress::Style style, int width, std::string unit, double now_seconds)
    : progress_(stream, style, width), unit_(std::move(unit)), begun_seconds_(now_seconds), shown_seconds_(now_seconds) {}

void WorkProgress::at(std::int64_t done, std::int64_t all, double now_seconds) {
  const bool bar = progress_.style() == Progress::Style::bar;
  if (now_seconds - shown_seconds_ < (bar ? kRedrawSeconds : kLineSeconds)) return;
  shown_seconds_ = now_seconds;
  const WorkSample sample{.done = done, .all = all, .seconds = now_seconds - begun_seconds_};
  if (bar) {
    progress_.draw(work_bar(sample, unit_, progress_.room()));
  } else {
    progress_.note(work_line(sample, unit_));
  }
}

}  // namespace trellis
