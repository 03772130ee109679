// What a run tells of itself while it goes on: metrics for programs, progress lines for people, a sign of life where something takes
// long, and at its end a summary (report/). Rank 0 alone has something to tell; elsewhere every call does nothing.
//
// Loss, accuracy and norm of a line and its metrics event are means over the steps since the one before. A line comes every log.every
// steps, and before a validation, a checkpoint and the run's end where steps are left over, so every step is in exactly one; a run
// that is resumed begins with a new interval.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "base/time_span.h"
#include "config/settings.h"
#include "report/heartbeat.h"
#include "report/metrics.h"
#include "report/progress.h"
#include "report/run_length.h"
#include "report/step_means.h"
#include "report/summary.h"
#include "train/step.h"

namespace trellis {

// A finished step and where the run stood after it.
struct FinishedStep {
  StepResult result;
  std::int64_t pass = 1;                         // that the step belongs to, from 1: the epoch of a progress line
  std::int64_t step = 0, epoch = 0, window = 0;  // as StepEvent's
  std::int64_t scored = 0;                       // since the run's very start
  double learning_rate = 0;
};

// Where a run begins, for its report.
struct RunBeginning {
  RunCalendar calendar;
  std::int64_t step = 0;             // steps done before
  std::int64_t scored_in_validation = 0;  // tokens or sequences; 0: there is none
  std::optional<double> expected_step_seconds = {};  // by the plan, where it was asked
  double started = 0;                // steady seconds: what train.seconds counts from
};

class RunReport {
 public:
  // tells: on rank 0; elsewhere every call does nothing. Signs of life from here on. style: of the progress; left out: by what standard
  // error is.
  RunReport(bool tells, std::optional<Progress::Style> style);
  // Opens the metrics file. Speeds are reckoned from here on.
  void begin(const Settings& settings, const std::filesystem::path& metrics, const RunBeginning& beginning);

  // What goes on from here, told when half a minute went by without a word, and again. bytes: that are read for it.
  void starting(std::string what, std::optional<std::int64_t> bytes = std::nullopt);  // before the first step
  void doing_step(std::int64_t step);

  void run_start(const RunStartEvent& event) { write(event); }
  void resume(const ResumeEvent& event) { write(event); }
  void step(const FinishedStep& step);
  // Before anything but a step, which goes on from here ("validation"): steps that no line was about yet get theirs, and the bar
  // leaves the screen.
  void end_interval(const std::string& what);
  // Where an error ends the run: the same for what is left over, as far as it can still be told.
  void tell_rest_at_error() noexcept;
  // epoch_ended: of the training split, with the step before it.
  void validation(const ValidationEvent& event, bool epoch_ended);
  void checkpoint(const CheckpointEvent& event);
  void checkpoint_failed(const CheckpointFailedEvent& event) { write(event); }
  void stop(const StopEvent& event, bool resumable);
  // What this process did is filled in here.
  void sum_up(RunSummary summary);

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
  void leave_out(double seconds) {
    left_out_ += seconds;
    left_out_of_step_ += seconds;
  }

 private:
  template <class Event>
  void write(const Event& event) {
    if (metrics_) metrics_->write(event);
  }
  void tell_rest();
  void tell_interval(double now);
  void tell_outlook(double now);
  ProgressSample sample_of(const StepNumbers& numbers, double scored_per_second) const;

  std::optional<MetricsWriter> metrics_;
  std::unique_ptr<Progress> progress_;
  std::unique_ptr<Heartbeat> heartbeat_;  // speaks through progress_: dies before it
  RunBeginning beginning_;
  TrainSettings limits_;
  std::int64_t every_ = 1;
  bool auxiliary_ = false;

  RunPace pace_;
  bool outlook_told_ = false, first_step_told_ = false;
  FinishedStep latest_;
  std::optional<RunningMeans> running_;
  // since the last line
  StepMeans means_;
  double interval_began_ = 0, left_out_ = 0;
  // since the last step
  double step_began_ = 0, left_out_of_step_ = 0;
  // all of this process
  double begun_ = 0, step_seconds_ = 0, validation_seconds_ = 0, checkpoint_seconds_ = 0;
  std::int64_t scored_ = 0;
  std::optional<ValidationEvent> best_;
};

}  // namespace trellis
