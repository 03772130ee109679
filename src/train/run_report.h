// What a run tells of itself while it goes on: metrics for programs, progress lines for people (report/). Rank 0 alone has
// something to tell; elsewhere every call does nothing.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

#include "base/time_span.h"
#include "config/settings.h"
#include "report/metrics.h"
#include "report/progress.h"
#include "train/step.h"

namespace trellis {

// A finished step and where the run stood after it.
struct FinishedStep {
  StepResult result;
  std::int64_t step = 0, epoch = 0, window = 0;  // as StepEvent's
  std::int64_t scored = 0;                       // since the run's very start
  double learning_rate = 0;
};

class RunReport {
 public:
  // Opens the metrics file. Speeds are reckoned from here on.
  void begin(const Settings& settings, const std::filesystem::path& metrics, std::optional<std::int64_t> total_steps);

  void run_start(const RunStartEvent& event) { write(event); }
  void resume(const ResumeEvent& event) { write(event); }
  void step(const FinishedStep& step);
  void validation(const ValidationEvent& event);
  void checkpoint(const CheckpointEvent& event);
  void checkpoint_failed(const CheckpointFailedEvent& event) { write(event); }
  void stop(const StopEvent& event, bool resumable);

  // The events so far are on the disk when this returns, or what hinders that is told. Throws nothing.
  void bring_to_disk() {
    if (metrics_) metrics_->sync();
  }
  // Throw WriteError unless all events so far are in the file: at the run's beginning, and at its end, when it is saved.
  void expect_metrics() {
    if (metrics_) metrics_->expect_all_written();
  }
  void expect_metrics_at_end();

  // Takes the progress line off the screen, so that somebody else may print.
  void clear();
  // Seconds that were not spent on steps; speeds leave them out.
  void leave_out(double seconds) { left_out_ += seconds; }

 private:
  template <class Event>
  void write(const Event& event) {
    if (metrics_) metrics_->write(event);
  }

  std::optional<MetricsWriter> metrics_;
  std::optional<Progress> progress_;
  std::optional<std::int64_t> total_steps_;
  std::int64_t every_ = 1;
  bool auxiliary_ = false;
  // since the last step that was written
  double interval_began_ = 0, left_out_ = 0;
  std::int64_t interval_scored_ = 0;
};

}  // namespace trellis
