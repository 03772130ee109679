#include "train/run_report.h"

#include <fmt/core.h>

#include <algorithm>
#include <string>

#include "base/errors.h"
#include "report/format.h"
#include "report/memory.h"

namespace trellis {

void RunReport::begin(const Settings& settings, const std::filesystem::path& metrics, std::optional<std::int64_t> total_steps) {
  metrics_.emplace(metrics, [this](LogLevel level, const std::string& message) {
    clear();
    log_message(level, message);
  });
  progress_.emplace(stderr);
  total_steps_ = total_steps;
  every_ = settings.log.every;
  auxiliary_ = settings.auxiliary.every > 0;
  interval_began_ = steady_seconds();
}

void RunReport::step(const FinishedStep& step) {
  if (!metrics_) return;
  const TimeSpan timed("report", {.step = step.step});
  const StepLoss& loss = step.result.loss;
  interval_scored_ += loss.scored;
  const double now = steady_seconds();
  const double seconds = std::max(1e-9, now - interval_began_ - left_out_);
  const double rate = static_cast<double>(interval_scored_) / seconds;
  const bool due = step.step % every_ == 0;
  progress_->step({.step = step.step,
                   .total_steps = total_steps_,
                   .epoch = step.epoch + 1,
                   .loss_nats = loss.loss_nats,
                   .accuracy = loss.accuracy,
                   .learning_rate = step.learning_rate,
                   .gradient_norm = step.result.gradient_norm,
                   .scored_per_second = rate},
                  due, now);
  if (!due) return;
  metrics_->write(StepEvent{.step = step.step,
                            .epoch = step.epoch,
                            .window = step.window,
                            .loss_nats = loss.loss_nats,
                            .accuracy = loss.accuracy,
                            .auxiliary_loss = auxiliary_ ? std::optional(loss.auxiliary_loss_nats) : std::nullopt,
                            .learning_rate = step.learning_rate,
                            .gradient_norm = step.result.gradient_norm,
                            .scored = step.scored,
                            .scored_per_second = rate,
                            .seconds = seconds,
                            .memory_bytes = process_memory().peak_bytes});
  interval_began_ = now;
  interval_scored_ = 0;
  left_out_ = 0;
}

void RunReport::validation(const ValidationEvent& event) {
  if (!metrics_) return;
  metrics_->write(event);
  const std::string quality = event.accuracy ? "accuracy " + format_accuracy(*event.accuracy) : "ppl " + format_perplexity(event.loss_nats);
  progress_->note(fmt::format("validation at step {}: loss {} {} over {} {} in {}{}", event.step, format_loss(event.loss_nats), quality, event.scored,
                              event.accuracy ? "sequences" : "tokens", format_duration(event.seconds), event.is_best ? ", the best so far" : ""));
}

void RunReport::checkpoint(const CheckpointEvent& event) {
  if (!metrics_) return;
  metrics_->write(event);
  progress_->note(fmt::format("checkpoint {} ({} in {})", event.path, format_bytes(event.bytes), format_duration(event.seconds)));
}

void RunReport::stop(const StopEvent& event, bool resumable) {
  if (!metrics_) return;
  metrics_->write(event);
  progress_->note(resumable ? fmt::format("stopped at step {} ({}): go on with --resume auto", event.step, event.reason)
                            : fmt::format("finished at step {} ({})", event.step, event.reason));
}

void RunReport::expect_metrics_at_end() {
  try {
    expect_metrics();
  } catch (const WriteError& error) {
    throw WriteError("the run has ended and is saved, but its metrics are incomplete: " + error.fact(), error.where(), error.fix());
  }
}

void RunReport::clear() {
  if (progress_) progress_->clear();
}

}  // namespace trellis
