// How long a run takes, from what it consists of and how long each part takes. Pure.
#pragma once

#include <cstdint>
#include <ctime>
#include <optional>
#include <string>

namespace trellis {

// What comes when. Steps are those of the optimizer, counted over the whole run.
struct RunCalendar {
  std::int64_t steps_of_pass = 1;
  std::optional<std::int64_t> total_steps = {};  // empty when only patience or time ends the run
  bool validates = false;
  std::int64_t validation_every = 0;  // steps; 0: at each pass's end
  std::int64_t checkpoint_every = 0;  // steps; 0: at each validation, or pass's end where there is none. One at the run's end, too
};

struct RunParts {
  std::int64_t steps = 0, validations = 0, checkpoints = 0;
  bool operator==(const RunParts&) const = default;
};

// What lies behind step `after` up to and with step `to`. Every validation may be the best so far, which is kept: each counts as a
// checkpoint, so there are that many at most.
RunParts parts_between(const RunCalendar& calendar, std::int64_t after, std::int64_t to);

struct PartSeconds {
  double step = 0;
  std::optional<double> validation = {}, checkpoint = {};  // empty: not known yet, counted as nothing
};

double seconds_of(const RunParts& parts, const PartSeconds& each);

// Validation computes forward only: about a third of what training takes for as much that is scored.
double likely_validation_seconds(double validation_scored, double step_seconds, double step_scored);

// Seconds of the parts of a run that is under way.
class RunPace {
 public:
  // scored_in_validation: to guess what a validation takes before there was one; 0: unknown.
  explicit RunPace(double scored_in_validation = 0) : scored_in_validation_(scored_in_validation) {}
  // A step that was done. The first one of a process warms up, and counts for nothing.
  void step(double seconds, std::int64_t scored);
  void validation(double seconds) { validation_ = seconds; }
  void checkpoint(double seconds) { checkpoint_ = seconds; }

  std::int64_t steps() const { return measured_; }
  std::optional<PartSeconds> parts() const;  // empty until a step has been measured
  double scored_per_second() const { return step_ > 0 ? step_scored_ / step_ : 0; }

 private:
  double scored_in_validation_;
  bool warm_ = false;
  std::int64_t measured_ = 0;
  double step_ = 0, step_scored_ = 0;  // means that forget after some hundred steps
  std::optional<double> validation_, checkpoint_;
};

// Where a run stands when it is asked how long it will take.
struct RunOutlook {
  RunCalendar calendar;
  std::int64_t begun_at = 0, step = 0;           // step that this process went on from; steps done
  std::optional<double> seconds_left = {};       // until train.seconds ends it; empty: no such limit
  double seconds_limit = 0;                      // train.seconds
  std::int64_t patience = 0;                     // train.patience; 0: none
};

// "about 3h20m for the whole run (12237 steps of 0.31s, 27 validations of about 12s), ends about 14:05"; with a limit that comes
// first, what that is and where it ends the run. now: the time that clocks show here.
std::string outlook_text(const RunOutlook& outlook, const PartSeconds& each, std::time_t now);

// Local time: "14:05", "Wed 14:05" on another day, "2026-12-24 14:05" more than six days away.
std::string clock_text(std::time_t when, std::time_t now);

}  // namespace trellis
