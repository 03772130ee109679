// The run's numbers for programs to read: JSON lines, one event each, appended to a file. docs/formats.md, "Metrics",
// describes every event and field. Written by one process only (rank 0), but for the last line of a run that ends out of order.
//
// "Scored" counts tokens of a text, or sequences of a classifier, whose events have an accuracy.
//
// Each line is appended by one write(2), so a killed run leaves whole lines; should a crash of the machine have torn
// the last one, it is cut off when the file is opened again. Lines of steps that a resumed run repeats are kept: the
// `resume` event tells readers that what stands before it with a later step was superseded. An event that cannot be
// written waits until it can (report/line_file.h): a full disk ends no run.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "report/line_file.h"

namespace trellis {

// 2: step events hold means over their steps, in 1 they held the last step's numbers.
inline constexpr int kMetricsSchema = 2;

struct RunStartEvent {
  std::string corpus = {}, precision = {}, device = {}, settings = {};  // settings: the whole configuration as INI text
  int ranks = 1;
  std::int64_t parameters = 0;
};
// The steps since the last such event, up to and with `step`.
struct StepEvent {
  std::int64_t step = 0, epoch = 0, window = 0;  // optimizer steps done; passes finished; steps done in the pass under way
  std::int64_t steps = 1;                        // that this event is about
  double loss_nats = 0;                          // mean over what those steps scored
  std::optional<double> accuracy = {};           // classifiers: share of their sequences that were right
  std::optional<double> auxiliary_loss = {};     // unweighted; empty without auxiliary outputs; a mean as loss_nats
  double learning_rate = 0;                      // of the last one
  double gradient_norm = 0;                      // before clipping; mean over the steps
  double largest_gradient_norm = 0;              // of one of them
  std::int64_t scored = 0;                       // trained on since the run's very start
  double scored_per_second = 0, seconds = 0;     // of those steps; wall time they took
  std::optional<std::int64_t> memory_bytes = {};  // most memory ever held by rank 0
};
struct ValidationEvent {
  std::int64_t step = 0, epoch = 0;
  double loss_nats = 0;
  std::optional<double> accuracy = {};  // classifiers
  std::int64_t scored = 0;
  double seconds = 0;
  bool is_best = false;
};
struct CheckpointEvent {
  std::int64_t step = 0;
  std::string path = {};
  std::int64_t bytes = 0;
  double seconds = 0;
};
struct CheckpointFailedEvent {  // the run goes on, or ends with exit code 74
  std::int64_t step = 0;
  std::string reason = {};
  std::optional<std::int64_t> newest_step = {};  // of the run's newest whole checkpoint
};
struct ResumeEvent {
  std::int64_t step = 0, epoch = 0;
  std::string checkpoint = {};
  int ranks = 1;
};
struct StopEvent {
  std::int64_t step = 0, epoch = 0;
  std::string reason = {};  // "steps", "epochs", "patience", "seconds", "signal", "error"
  int exit_code = 0;
};

// The stop event of a run that ends out of order, appended by one write by whoever can still do it: any rank, any thread. Does nothing
// when the last line is a stop event or torn, or there are no metrics, or they cannot be written.
void append_stop_event(const std::filesystem::path& path, const StopEvent& event);

class MetricsWriter {
 public:
  // Opens for appending, or creates; the folder must exist. Throws WriteError. `tell` says what happens to the file later.
  explicit MetricsWriter(const std::filesystem::path& path, Tell tell = log_message) : lines_(path, std::move(tell)) {}

  void write(const RunStartEvent& event);
  void write(const StepEvent& event);
  void write(const ValidationEvent& event);
  void write(const CheckpointEvent& event);
  void write(const CheckpointFailedEvent& event);
  void write(const ResumeEvent& event);
  void write(const StopEvent& event);

  // Returns when the events so far are on the disk, or what hinders that is told.
  void sync() { lines_.sync(); }
  // Throws WriteError unless all events so far are in the file.
  void expect_all_written() { lines_.expect_all_written(); }

 private:
  LineFile lines_;
};

}  // namespace trellis
