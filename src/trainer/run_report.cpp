#include "trainer/run_report.h"

#include <fmt/core.h>

#include <algorithm>
#include <ctime>
#include <string>
#include <utility>

#include "base/errors.h"
#include "report/memory.h"
#include "report/wording.h"
#include "trainer/run_calendar.h"

namespace trellis {
namespace {

constexpr double kSilenceSeconds = 30;

}  // namespace

RunReport::RunReport(bool tells, std::optional<Progress::Style> style) {
  if (!tells) return;
  progress_ = std::make_unique<Progress>(stderr, style);
  heartbeat_ = std::make_unique<Heartbeat>(kSilenceSeconds, [progress = progress_.get()](const std::string& line) { progress->note(line); });
  starting("opening the run directory and its checkpoints");
}

void RunReport::begin(const Settings& settings, const std::filesystem::path& metrics, const RunBeginning& beginning) {
  metrics_.emplace(metrics, [this](LogLevel level, const std::string& message) {
    clear();
    log_message(level, message);
  });
  beginning_ = beginning;
  limits_ = settings.train;
  every_ = settings.log.every;
  auxiliary_ = settings.auxiliary.every > 0;
  pace_ = RunPace(static_cast<double>(beginning.scored_in_validation));
  running_.emplace(every_);
  latest_.step = beginning.step;
  progress_->note(end_text(settings.train, beginning.calendar.steps_of_pass));
  begun_ = interval_began_ = step_began_ = steady_seconds();
}

void RunReport::starting(std::string what, std::optional<std::int64_t> bytes) {
  if (!heartbeat_) return;
  const std::optional<std::int64_t> before = bytes ? process_bytes_read() : std::nullopt;
  const auto words = [what = std::move(what), bytes, before](double seconds) {
    const std::optional<std::int64_t> now = before ? process_bytes_read() : std::nullopt;
    const std::string share = now ? fmt::format("{} of {} read, ", format_bytes(std::min(*now - *before, *bytes)), format_bytes(*bytes)) : "";
    return fmt::format("starting: {}: {}still under way after {}", what, share, format_duration(seconds));
  };
  heartbeat_->doing(words, Heartbeat::Silence::goes_on);
}

void RunReport::doing_step(std::int64_t step) {
  if (!heartbeat_) return;
  std::optional<double> expected = beginning_.expected_step_seconds;
  if (const auto parts = pace_.parts()) expected = parts->step;
  if (beginning_.expected_step_seconds && !std::exchange(first_step_told_, true)) {
    progress_->note(fmt::format("the first step is under way: about {} expected, by the plan and the speed of a matrix product here", format_duration(*expected)));
  }
  heartbeat_->doing([step, expected](double seconds) {
    return fmt::format("step {}: still computing after {}{}", step, format_duration(seconds),
                       expected ? fmt::format(", about {} expected", format_duration(*expected)) : "");
  });
}

ProgressSample RunReport::sample_of(const StepNumbers& numbers, double scored_per_second) const {
  ProgressSample sample{.step = latest_.step,
                        .total_steps = beginning_.calendar.total_steps,
                        .epoch = latest_.pass,
                        .loss_nats = numbers.loss_nats,
                        .accuracy = numbers.accuracy,
                        .learning_rate = latest_.learning_rate,
                        .gradient_norm = numbers.gradient_norm,
                        .scored_per_second = scored_per_second};
  if (const auto parts = pace_.parts(); parts && sample.total_steps) {
    sample.eta_seconds = seconds_of(parts_between(beginning_.calendar, latest_.step, *sample.total_steps), *parts);
  }
  return sample;
}

void RunReport::step(const FinishedStep& step) {
  if (!metrics_) return;
  const TimeSpan timed("report", {.step = step.step});
  const StepLoss& loss = step.result.loss;
  const StepNumbers numbers{.loss_nats = loss.loss_nats,
                            .accuracy = loss.accuracy,
                            .auxiliary_loss = auxiliary_ ? std::optional(loss.auxiliary_loss_nats) : std::nullopt,
                            .gradient_norm = step.result.gradient_norm};
  const double now = steady_seconds(), seconds = std::max(0.0, now - step_began_ - left_out_of_step_);
  latest_ = step;
  means_.add(numbers, loss.scored);
  running_->add(numbers);
  pace_.step(seconds, loss.scored);
  scored_ += loss.scored;
  step_seconds_ += seconds;
  step_began_ = now;
  left_out_of_step_ = 0;
  if (step.step % every_ == 0) tell_interval(now);
  if (!outlook_told_) tell_outlook(now);
  const double rate = pace_.steps() > 0 ? pace_.scored_per_second() : static_cast<double>(loss.scored) / std::max(1e-9, seconds);
  progress_->step(sample_of(running_->means(), rate), now);
}

void RunReport::tell_interval(double now) {
  const double seconds = std::max(1e-9, now - interval_began_ - left_out_);
  const double rate = static_cast<double>(means_.scored()) / seconds;
  const StepNumbers& means = means_.means();
  progress_->note(progress_line(sample_of(means, rate)));
  write(StepEvent{.step = latest_.step,
                  .epoch = latest_.epoch,
                  .window = latest_.window,
                  .steps = means_.steps(),
                  .loss_nats = means.loss_nats,
                  .accuracy = means.accuracy,
                  .auxiliary_loss = means.auxiliary_loss,
                  .learning_rate = latest_.learning_rate,
                  .gradient_norm = means.gradient_norm,
                  .largest_gradient_norm = means_.largest_gradient_norm(),
                  .scored = latest_.scored,
                  .scored_per_second = rate,
                  .seconds = seconds,
                  .memory_bytes = process_memory().peak_bytes});
  means_ = {};
  interval_began_ = now;
  left_out_ = 0;
}

// Once, as soon as enough has been timed: two seconds and ten steps, or as many steps as came in twenty seconds, or a tenth of the run.
void RunReport::tell_outlook(double now) {
  const auto parts = pace_.parts();
  if (!parts) return;
  const double seconds = now - begun_;
  const auto total = beginning_.calendar.total_steps;
  const bool tenth = total && pace_.steps() >= std::max<std::int64_t>(1, (*total - beginning_.step) / 10);
  if (!tenth && seconds < 20 && (seconds < 2 || pace_.steps() < 10)) return;
  outlook_told_ = true;
  RunOutlook outlook{.calendar = beginning_.calendar, .begun_at = beginning_.step, .step = latest_.step, .patience = limits_.patience};
  if (limits_.seconds > 0) {
    outlook.seconds_left = limits_.seconds - (now - beginning_.started);
    outlook.seconds_limit = limits_.seconds;
  }
  progress_->note(outlook_text(outlook, *parts, std::time(nullptr)));
}

void RunReport::tell_rest() {
  if (metrics_ && means_.steps() > 0) tell_interval(steady_seconds());
}

void RunReport::tell_rest_at_error() noexcept {
  try {
    tell_rest();
    bring_to_disk();  // before the stop event, which goes past the lines that wait for room
  } catch (...) {  // the error that ends the run is what counts
  }
}

void RunReport::end_interval(const std::string& what) {
  tell_rest();
  clear();
  if (!heartbeat_) return;
  heartbeat_->doing([what, step = latest_.step](double seconds) {
    return fmt::format("{} at step {}: still under way after {}", what, step, format_duration(seconds));
  });
}

void RunReport::validation(const ValidationEvent& event, bool epoch_ended) {
  if (!metrics_) return;
  pace_.validation(event.seconds);
  validation_seconds_ += event.seconds;
  if (event.is_best) best_ = event;
  write(event);
  const std::string quality = event.accuracy ? "accuracy " + format_accuracy(*event.accuracy) : "ppl " + format_perplexity(event.loss_nats);
  progress_->note(fmt::format("validation at step {}{}: loss {} {} over {} {} in {}{}", event.step,
                              epoch_ended ? fmt::format(", after epoch {}", event.epoch) : "", format_loss(event.loss_nats), quality, event.scored,
                              event.accuracy ? "sequences" : "tokens", format_duration(event.seconds), event.is_best ? ", the best so far" : ""));
}

void RunReport::checkpoint(const CheckpointEvent& event) {
  if (!metrics_) return;
  pace_.checkpoint(event.seconds);
  checkpoint_seconds_ += event.seconds;
  write(event);
  progress_->note(fmt::format("checkpoint {} ({} in {})", event.path, format_bytes(event.bytes), format_duration(event.seconds)));
}

void RunReport::stop(const StopEvent& event, bool resumable) {
  if (!metrics_) return;
  tell_rest();
  heartbeat_->rest();
  write(event);
  progress_->note(resumable ? fmt::format("stopped at step {} ({}): go on with --resume auto", event.step, event.reason)
                            : fmt::format("finished at step {} ({})", event.step, event.reason));
}

void RunReport::sum_up(RunSummary summary) {
  if (!metrics_) return;
  summary.steps = summary.step - beginning_.step;
  summary.scored = scored_;
  summary.seconds = steady_seconds() - beginning_.started;
  summary.step_seconds = step_seconds_;
  summary.validation_seconds = validation_seconds_;
  summary.checkpoint_seconds = checkpoint_seconds_;
  if (summary.best && best_ && best_->step == summary.best->step) summary.best->accuracy = best_->accuracy;
  for (const std::string& line : summary_lines(summary)) progress_->note(line);
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
