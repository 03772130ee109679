#include "trainer/run_ends.h"

#include <cerrno>
#include <cstdlib>
#include <string>
#include <system_error>

#include "checkpoint/checkpoint_manifest.h"
#include "config/setting_values.h"
#include "config/settings_io.h"
#include "trainer/run_calendar.h"

namespace trellis {
namespace {

std::optional<std::string> checkpoint_at(const RunDirectory& directory, std::int64_t step) {
  const std::filesystem::path path = directory.checkpoints() / checkpoint::checkpoint_name(step);
  std::error_code failure;
  return std::filesystem::exists(path, failure) ? std::optional(path.string()) : std::nullopt;
}

// launch/run names itself to what it starts: mpirun alone may lack what it takes here to start ranks.
std::string launcher() {
  const char* const named = std::getenv("TRELLIS_LAUNCHER");
  return named != nullptr && *named != '\0' ? named : "mpirun";
}

}  // namespace

RunStartEvent run_start_event(const Ranks& ranks, const Dataset& data, const Settings& settings, const at::Device& device, const ParameterLayout& layout) {
  return {.corpus = data.directory().string(),
          .precision = format_value(settings.train.precision),
          .device = device.is_cuda() ? "cuda" : "cpu",
          .settings = to_ini(settings),
          .ranks = ranks.size(),
          .parameters = layout.count()};
}

FinishedStep step_under_way(const RunState& state, std::int64_t steps_of_pass, double learning_rate) {
  const bool pass_ends = state.window == steps_of_pass;  // the loop has not turned to the next one yet
  return {.result = {},
          .pass = state.epoch + 1,
          .step = state.step,
          .epoch = state.epoch + (pass_ends ? 1 : 0),
          .window = pass_ends ? 0 : state.window,
          .scored = state.scored,
          .learning_rate = learning_rate};
}

RunSummary end_summary(const Ranks& ranks, const RunDirectory& directory, const std::filesystem::path& data, const Settings& settings, const RunState& state,
                       std::optional<std::int64_t> saved_step, const Stop& stop) {
  RunSummary summary{.is_text = settings.model.task == TaskKind::language_model,
                     .step = state.step,
                     .newest_checkpoint = saved_step ? checkpoint_at(directory, *saved_step) : std::nullopt,
                     .resumable = stop.resumable,
                     .program = program_invocation_name,
                     .run = directory.path().string(),
                     .data = data.string(),
                     .ranks = ranks.size(),
                     .launcher = launcher(),
                     .further = longer(settings.train, stop.reason)};
  if (state.best) {
    summary.best = RunSummary::Best{.loss_nats = state.best->loss_nats, .step = state.best->step, .checkpoint = checkpoint_at(directory, state.best->step)};
  }
  return summary;
}

}  // namespace trellis
