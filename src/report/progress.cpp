#include "report/progress.h"

#include <algorithm>
#include <fmt/core.h>
#include <vector>

#include "base/log_hook.h"
#include "report/wording.h"

namespace trellis {
namespace {

constexpr double kRedrawSeconds = 0.2;
constexpr int kUsualWidth = 80;

// A terminal or log that went away must not end a run of days: failures to write are ignored.
void emit(std::FILE* stream, const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stream);
  std::fflush(stream);
}

bool knows_total(const ProgressSample& sample) { return sample.total_steps && *sample.total_steps > 0; }

std::string step_of_total(const ProgressSample& sample) {
  return knows_total(sample) ? fmt::format("{}/{}", sample.step, *sample.total_steps) : fmt::format("{}", sample.step);
}

// What a loss is read as: "ppl 822.5", or "acc 87.50 %".
std::string quality(const ProgressSample& sample) {
  return sample.accuracy ? "acc " + format_accuracy(*sample.accuracy) : "ppl " + format_perplexity(sample.loss_nats);
}

std::string speed(const ProgressSample& sample) {
  return format_count(sample.scored_per_second) + (sample.accuracy ? " sequences/s" : " tokens/s");
}

}  // namespace

std::string progress_line(const ProgressSample& sample) {
  std::string text =
      fmt::format("step {} epoch {} loss {} {} lr {:.3g} |g| {:.3g} {}", step_of_total(sample), sample.epoch,
                  format_loss(sample.loss_nats), quality(sample), sample.learning_rate, sample.gradient_norm, speed(sample));
  if (sample.eta_seconds) text += " eta " + format_duration(*sample.eta_seconds);
  return text;
}

std::string progress_bar(const ProgressSample& sample, int width) {
  // in the order in which they are given up, last first
  std::vector<std::string> facts{step_of_total(sample), speed(sample)};
  if (sample.eta_seconds) facts.push_back("eta " + format_duration(*sample.eta_seconds));
  facts.push_back("loss " + format_loss(sample.loss_nats));
  facts.push_back(quality(sample));
  const auto joined = [&] {
    std::string text;
    for (const std::string& fact : facts) text += (text.empty() ? "" : " ") + fact;
    return text;
  };
  const int room = std::max(width, 0);
  if (!knows_total(sample)) {
    while (facts.size() > 1 && static_cast<int>(joined().size()) > room) facts.pop_back();
    return joined().substr(0, static_cast<std::size_t>(room));
  }
  const double done = std::clamp(static_cast<double>(sample.step) / static_cast<double>(*sample.total_steps), 0.0, 1.0);
  const std::string percent = fmt::format("{:3d}%", static_cast<int>(done * 100));
  constexpr int kLeastBar = 6, kMostBar = 40, kFrame = 4;  // " [" and "] "
  const auto cells = [&] { return room - static_cast<int>(percent.size() + joined().size()) - kFrame; };
  while (facts.size() > 1 && cells() < kLeastBar) facts.pop_back();
  if (cells() < kLeastBar) return (percent + " " + joined()).substr(0, static_cast<std::size_t>(room));
  const int bar = std::min(cells(), kMostBar), filled = static_cast<int>(done * bar);
  return fmt::format("{} [{:#<{}}{:-<{}}] {}", percent, "", filled, "", bar - filled, joined());
}

Progress::Progress(std::FILE* stream, std::optional<Style> style)
    : stream_(stream),
      terminal_(style == Style::lines ? std::nullopt : Terminal::behind(fileno(stream))),
      style_(style.value_or(terminal_ ? Style::bar : Style::lines)),
      fixed_width_(0) {
  if (style_ == Style::bar) set_before_message([this] { clear(); });
}

Progress::Progress(std::FILE* stream, Style style, int width) : stream_(stream), style_(style), fixed_width_(width) {}

Progress::~Progress() {
  if (style_ == Style::bar && fixed_width_ == 0) set_before_message({});
  if (drawn_) emit(stream_, "\n");
}

int Progress::width() const {
  if (fixed_width_ > 0) return fixed_width_;
  return terminal_ ? terminal_->columns() : kUsualWidth;
}

void Progress::step(const ProgressSample& sample, double now_seconds) {
  if (style_ == Style::lines) return;
  const std::lock_guard lock(mutex_);
  const bool is_last = knows_total(sample) && sample.step >= *sample.total_steps;
  if (drawn_seconds_ && now_seconds - *drawn_seconds_ < kRedrawSeconds && !is_last) return;
  draw_bar(progress_bar(sample, room()));
  drawn_seconds_ = now_seconds;
}

void Progress::draw(std::string_view bar) {
  const std::lock_guard lock(mutex_);
  draw_bar(bar);
}

void Progress::draw_bar(std::string_view bar) {
  emit(stream_, fmt::format("\r{}\033[K", bar));
  drawn_ = true;
}

void Progress::note(std::string_view line) {
  const std::lock_guard lock(mutex_);
  clear_bar();
  emit(stream_, fmt::format("{}\n", line));
}

void Progress::clear() {
  const std::lock_guard lock(mutex_);
  clear_bar();
}

void Progress::clear_bar() {
  if (!drawn_) return;
  emit(stream_, "\r\033[K");
  drawn_ = false;
  drawn_seconds_.reset();
}

}  // namespace trellis
