#include "report/metrics.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <cstring>
#include <fcntl.h>
#include <fmt/core.h>
#include <nlohmann/json.hpp>
#include <sys/stat.h>
#include <unistd.h>

#include "base/errors.h"
#include "base/version.h"

namespace trellis {
namespace {

using Json = nlohmann::ordered_json;

[[noreturn]] void fail(const std::string& doing, const std::string& path) {
  throw WriteError(fmt::format("cannot {}: {}", doing, std::strerror(errno)), path,
                   "check the disk's space, the quota and the folder's permissions");
}

Json event_of(const char* kind) {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const auto milliseconds = std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
  return {{"schema", kMetricsSchema}, {"event", kind}, {"time", static_cast<double>(milliseconds) / 1000}};
}

// JSON has no word for them: nlohmann writes null for what is not finite, which docs/formats.md promises.
std::string line_of(const Json& event) { return event.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n"; }

// The length of the file up to and with its last line feed.
off_t whole_lines(int file, const std::string& path) {
  off_t end = lseek(file, 0, SEEK_END);
  if (end < 0) fail("find the end of the metrics", path);
  char block[4096];
  while (end > 0) {
    const off_t begin = end > off_t{sizeof block} ? end - off_t{sizeof block} : 0;
    const ssize_t got = pread(file, block, static_cast<std::size_t>(end - begin), begin);
    if (got != end - begin) fail("read the end of the metrics", path);
    for (ssize_t i = got; i-- > 0;) {
      if (block[i] == '\n') return begin + i + 1;
    }
    end = begin;
  }
  return 0;
}

// The loss, and what is read off it: perplexity of a text, accuracy of a classifier.
void add_loss(Json& json, double loss_nats, const std::optional<double>& accuracy) {
  json["loss_nats"] = loss_nats;
  if (accuracy) {
    json["accuracy"] = *accuracy;
  } else {
    json["perplexity"] = std::exp(loss_nats);
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

bool ends_with_stop_event(int file) {
  char block[4096];
  const off_t size = lseek(file, 0, SEEK_END), begin = std::max<off_t>(0, size - off_t{sizeof block});
  const ssize_t got = pread(file, block, sizeof block, begin);
  std::string_view last(block, static_cast<std::size_t>(std::max<ssize_t>(0, got)));
  if (last.ends_with('\n')) last.remove_suffix(1);
  if (const std::size_t line = last.rfind('\n'); line != std::string_view::npos) last.remove_prefix(line + 1);
  return last.find(R"("event":"stop")") != std::string_view::npos;
}

}  // namespace

void append_stop_event(const std::filesystem::path& path, const StopEvent& event) {
  const int file = open(path.c_str(), O_RDWR | O_APPEND | O_CLOEXEC);
  if (file < 0) return;
  const std::string line = line_of(event);
  const bool written = ends_with_stop_event(file) || ::write(file, line.data(), line.size()) == static_cast<ssize_t>(line.size());
  const int error = errno;
  close(file);
  errno = error;
  if (!written) fail("append to the metrics", path.string());
}

MetricsWriter::MetricsWriter(const std::filesystem::path& path)
    : path_(path.string()), file_(open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666)) {
  if (file_ < 0) fail("open the metrics", path_);
  struct stat status {};
  try {
    if (fstat(file_, &status) != 0) fail("look at the metrics", path_);
    if (S_ISREG(status.st_mode) && ftruncate(file_, whole_lines(file_, path_)) != 0) {
      fail("cut the torn last line off the metrics", path_);
    }
  } catch (...) {
    close(file_);
    throw;
  }
}

MetricsWriter::~MetricsWriter() { close(file_); }

void MetricsWriter::append(const std::string& line) {
  ssize_t written = 0;
  do {
    written = ::write(file_, line.data(), line.size());
  } while (written < 0 && errno == EINTR);
  if (written == static_cast<ssize_t>(line.size())) return;
  if (written >= 0) {  // the disk is full: take the torn line back, there is only this writer
    const off_t end = lseek(file_, 0, SEEK_END);
    if (end >= written && ftruncate(file_, end - written) != 0) fail("take a torn line off the metrics", path_);
    errno = ENOSPC;
  }
  fail("append to the metrics", path_);
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
  append(line_of(json));
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
  append(line_of(json));
}

void MetricsWriter::write(const ValidationEvent& event) {
  Json json = event_of("validation");
  json["step"] = event.step;
  json["epoch"] = event.epoch;
  add_loss(json, event.loss_nats, event.accuracy);
  json[event.accuracy ? "sequences" : "tokens"] = event.scored;
  json["seconds"] = event.seconds;
  json["best"] = event.is_best;
  append(line_of(json));
}

void MetricsWriter::write(const CheckpointEvent& event) {
  Json json = event_of("checkpoint");
  json["step"] = event.step;
  json["path"] = event.path;
  json["bytes"] = event.bytes;
  json["seconds"] = event.seconds;
  append(line_of(json));
}

void MetricsWriter::write(const ResumeEvent& event) {
  Json json = event_of("resume");
  json["step"] = event.step;
  json["epoch"] = event.epoch;
  json["checkpoint"] = event.checkpoint;
  json["ranks"] = event.ranks;
  append(line_of(json));
}

void MetricsWriter::write(const StopEvent& event) { append(line_of(event)); }

}  // namespace trellis
