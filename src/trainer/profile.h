// The profile of some steps of a run: spans of every rank (base/time_span.h) from the beginning of the first to the end of
// the last, validation and checkpoint included, in one timeline RUN/profile/steps-A-B.json, and a table of rank 0 in the log.
//
// Ranks on one machine share a clock. Those of different machines are aligned by the barrier that the profile begins with:
// to about the time that a barrier takes.
#pragma once

#include <filesystem>
#include <string>

#include "base/span_recorder.h"
#include "ranks/ranks.h"
#include "trainer/profiled_steps.h"

namespace trellis {

class Profile {
 public:
  Profile(const Ranks& ranks, std::filesystem::path folder, const ProfiledSteps& steps)
      : ranks_(ranks), folder_(std::move(folder)), steps_(steps) {}

  const ProfiledSteps& steps() const { return steps_; }
  bool recording() const { return recording_; }

  // Collective. Makes the folder, or throws WriteError on all ranks.
  void make_folder() const;
  // Collective. Waits until all ranks are here; records from now on.
  void begin();
  // Collective. Ends recording with step `last`, writes the timeline, logs where it is and what took the time. A timeline
  // that is there already stays: the new one has a number behind its name. Throws WriteError, on all ranks.
  void end(std::int64_t last);

 private:
  // Collective. Each rank in its turn appends to a file under a hidden name, so that no rank holds the whole timeline;
  // rank 0 gives it its name, which is returned there.
  std::filesystem::path write(const ProfiledSteps& recorded, const std::vector<std::int64_t>& dropped) const;

  const Ranks ranks_;
  const std::filesystem::path folder_;
  const ProfiledSteps steps_;
  SpanRecorder recorder_;
  std::int64_t origin_ns_ = 0;
  bool recording_ = false;
};

}  // namespace trellis
