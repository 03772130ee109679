#include "report/metrics.h"

#include <algorithm>
#include <chrono>
#include <fcntl.h>
#include <nlohmann/json.hpp>
#include <string_view>
#include <unistd.h>

#include "base/version.h"
#include "plan/elementary.h"

namespace trellis {
namespace {

using Json = nlohmann::ordered_json;

Json event_of(const char* kind) {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const auto milliseconds = std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
  return {{"schema", kMetricsSchema}, {"event", kind}, {"time", static_cast<double>(milliseconds) / 1000}};
}

// JSON has no word for them: nlohmann writes null for what is not finite, which docs/formats.md promises.
std::string line_of(const Json& event) { return event.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n"; }

// The loss, and what is read off it: perplexity of a text, accuracy of a classifier.
void add_loss(Json& json, double loss_nats, const std::optional<double>& accuracy) {
  json["loss_nats"] = loss_nats;
  if (accuracy) {
    json["accuracy"] = *accuracy;
  } else {
    json["perplexity"] = exponential(loss_nats);
  }
}

std::string line_of(const StopEvent& event) {
  Json json = event_of("stop");
  json["step"] = event.step;
  json["epoch"] = event.epoch;
  json["reason"] = event.reason;
  json["exit_code"] = event.exit_code;
  return line_of(json);
}

// Whether a stop event may be added: the last line is whole, and is none.
bool takes_stop_event(int file) {
  char block[4096];
  const off_t size = lseek(file, 0, SEEK_END), begin = std::max<off_t>(0, size - off_t{sizeof block});
  const ssize_t got = pread(file, block, sizeof block, begin);
  std::string_view last(block, static_cast<std::size_t>(std::max<ssize_t>(0, got)));
  if (last.empty()) return size == 0;
  if (!last.ends_with('\n')) return false;
  last.remove_suffix(1);
  if (const std::size_t line = last.rfind('\n'); line != std::string_view::npos) last.remove_prefix(line + 1);
  return last.find(R"("event":"stop")") == std::string_view::npos;
}

}  // namespace

void append_stop_event(const std::filesystem::path& path, const StopEvent& event) {
  const int file = open(path.c_str(), O_RDWR | O_APPEND | O_CLOEXEC);
  if (file < 0) return;
  if (takes_stop_event(file)) {
    const std::string line = line_of(event);
    [[maybe_unused]] const ssize_t written = ::write(file, line.data(), line.size());
  }
  close(file);
}

void MetricsWriter::write(const RunStartEvent& event) {
  Json json = event_of("run_start");
  json["program_version"] = kVersion;
  json["ranks"] = event.ranks;
  json["corpus"] = event.corpus;
  json["precision"] = event.precision;
  json["device"] = event.device;
  json["parameters"] = event.parameters;
  json["settings"] = event.settings;
  lines_.append(line_of(json));
}

void MetricsWriter::write(const StepEvent& event) {
  Json json = event_of("step");
  json["step"] = event.step;
  json["epoch"] = event.epoch;
  json["window"] = event.window;
  json["steps"] = event.steps;
  add_loss(json, event.loss_nats, event.accuracy);
  if (event.auxiliary_loss) json["aux_loss"] = *event.auxiliary_loss;
  json["learning_rate"] = event.learning_rate;
  json["gradient_norm"] = event.gradient_norm;
  json["largest_gradient_norm"] = event.largest_gradient_norm;
  json[event.accuracy ? "sequences" : "tokens"] = event.scored;
  json[event.accuracy ? "sequences_per_second" : "tokens_per_second"] = event.scored_per_second;
  json["seconds"] = event.seconds;
  if (event.memory_bytes) json["memory_bytes"] = *event.memory_bytes;
  lines_.append(line_of(json));
}

void MetricsWriter::write(const ValidationEvent& event) {
  Json json = event_of("validation");
  json["step"] = event.step;
  json["epoch"] = event.epoch;
  add_loss(json, event.loss_nats, event.accuracy);
  json[event.accuracy ? "sequences" : "tokens"] = event.scored;
  json["seconds"] = event.seconds;
  json["best"] = event.is_best;
  lines_.append(line_of(json));
}

void MetricsWriter::write(const CheckpointEvent& event) {
  Json json = event_of("checkpoint");
  json["step"] = event.step;
  json["path"] = event.path;
  json["bytes"] = event.bytes;
  json["seconds"] = event.seconds;
  lines_.append(line_of(json));
}

void MetricsWriter::write(const CheckpointFailedEvent& event) {
  Json json = event_of("checkpoint_failed");
  json["step"] = event.step;
  json["reason"] = event.reason;
  if (event.newest_step) json["newest_step"] = *event.newest_step;
  lines_.append(line_of(json));
}

void MetricsWriter::write(const ResumeEvent& event) {
  Json json = event_of("resume");
  json["step"] = event.step;
  json["epoch"] = event.epoch;
  json["checkpoint"] = event.checkpoint;
  json["ranks"] = event.ranks;
  lines_.append(line_of(json));
}

void MetricsWriter::write(const StopEvent& event) { lines_.append(line_of(event)); }

}  // namespace trellis
