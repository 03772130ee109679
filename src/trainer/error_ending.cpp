#include "trainer/error_ending.h"

#include <utility>

#include "base/current_error.h"
#include "base/last_words.h"
#include "mpi/agreement.h"
#include "report/metrics.h"

namespace trellis {

ErrorEnding::ErrorEnding(std::filesystem::path metrics) : metrics_(std::move(metrics)) {}

void ErrorEnding::reached(std::int64_t step, std::int64_t epoch) {
  reached_->step = step;
  reached_->epoch = epoch;
}

ExitCode ErrorEnding::watch(const Ranks& ranks, const std::function<ExitCode()>& work, const std::function<void()>& at_error) {
  const LastWords on_hanging([metrics = metrics_, reached = reached_](ExitCode code) {
    append_stop_event(metrics, {.step = reached->step, .epoch = reached->epoch, .reason = "error", .exit_code = static_cast<int>(code)});
  });
  try {
    return work();
  } catch (...) {
    at_error();
    if (!is_agreed(ranks.size()) || ranks.rank() == 0) say_last_words(current_error().code());
    throw;
  }
}

}  // namespace trellis
