#include "report/metrics.h"

#include <cmath>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <limits>
#include <nlohmann/json.hpp>
#include <signal.h>
#include <sstream>
#include <string>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

#include "base/errors.h"
#include "plan/elementary.h"
#include "tests/scratch_folder.h"

namespace trellis {
namespace {

using Json = nlohmann::json;

std::filesystem::path fresh_file(const std::string& name) {
  std::filesystem::remove(scratch_folder() / name);
  return scratch_folder() / name;
}

std::string text_of(const std::filesystem::path& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

std::vector<Json> events_of(const std::filesystem::path& path) {
  std::vector<Json> events;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) events.push_back(Json::parse(line));
  return events;
}

TEST(Metrics, WritesOneObjectALineForEveryKindOfEvent) {
  const auto path = fresh_file("kinds.jsonl");
  {
    MetricsWriter metrics(path);
    metrics.write(RunStartEvent{.corpus = "data/x",
                                .precision = "float32",
                                .device = "cpu",
                                .settings = "[train]\nlanes = 4\n",
                                .ranks = 2,
                                .parameters = 99});
    metrics.write(StepEvent{.step = 10,
                            .epoch = 1,
                            .window = 9,
                            .steps = 5,
                            .loss_nats = 2,
                            .auxiliary_loss = 3.5,
                            .learning_rate = 0.002,
                            .gradient_norm = 0.25,
                            .largest_gradient_norm = 0.5,
                            .scored = 5120,
                            .scored_per_second = 2810.5,
                            .seconds = 1.75,
                            .memory_bytes = 123456789});
    metrics.write(
        ValidationEvent{.step = 10, .epoch = 1, .loss_nats = 1, .scored = 77, .seconds = 2, .is_best = true});
    metrics.write(CheckpointEvent{.step = 10, .path = "step-0000000010", .bytes = 42, .seconds = 0.5});
    metrics.write(CheckpointFailedEvent{.step = 11, .reason = "no room", .newest_step = 10});
    metrics.write(ResumeEvent{.step = 10, .epoch = 1, .checkpoint = "step-0000000010", .ranks = 3});
    metrics.write(StopEvent{.step = 11, .epoch = 1, .reason = "steps", .exit_code = 0});
  }
  std::vector<Json> events = events_of(path);
  ASSERT_EQ(events.size(), 7u);
  for (Json& event : events) {
    EXPECT_EQ(event["schema"], kMetricsSchema);
    EXPECT_GT(event["time"].get<double>(), 1e9);
    event.erase("time");
    event.erase("schema");
    event.erase("program_version");
  }
  EXPECT_EQ(events[0], (Json{{"event", "run_start"},
                             {"ranks", 2},
                             {"corpus", "data/x"},
                             {"precision", "float32"},
                             {"device", "cpu"},
                             {"parameters", 99},
                             {"settings", "[train]\nlanes = 4\n"}}));
  EXPECT_EQ(events[1], (Json{{"event", "step"},
                             {"step", 10},
                             {"epoch", 1},
                             {"window", 9},
                             {"steps", 5},
                             {"loss_nats", 2.0},
                             {"perplexity", exponential(2.0)},
                             {"aux_loss", 3.5},
                             {"learning_rate", 0.002},
                             {"gradient_norm", 0.25},
                             {"largest_gradient_norm", 0.5},
                             {"tokens", 5120},
                             {"tokens_per_second", 2810.5},
                             {"seconds", 1.75},
                             {"memory_bytes", 123456789}}));
  EXPECT_EQ(events[2], (Json{{"event", "validation"},
                             {"step", 10},
                             {"epoch", 1},
                             {"loss_nats", 1.0},
                             {"perplexity", exponential(1.0)},
                             {"tokens", 77},
                             {"seconds", 2.0},
                             {"best", true}}));
  EXPECT_EQ(
      events[3],
      (Json{{"event", "checkpoint"}, {"step", 10}, {"path", "step-0000000010"}, {"bytes", 42}, {"seconds", 0.5}}));
  EXPECT_EQ(events[4], (Json{{"event", "checkpoint_failed"}, {"step", 11}, {"reason", "no room"}, {"newest_step", 10}}));
  EXPECT_EQ(events[5],
            (Json{{"event", "resume"}, {"step", 10}, {"epoch", 1}, {"checkpoint", "step-0000000010"}, {"ranks", 3}}));
  EXPECT_EQ(events[6], (Json{{"event", "stop"}, {"step", 11}, {"epoch", 1}, {"reason", "steps"}, {"exit_code", 0}}));
}

TEST(Metrics, LeavesOutWhatIsNotKnownAndWritesNullForWhatIsNotFinite) {
  const auto path = fresh_file("empty.jsonl");
  MetricsWriter metrics(path);
  metrics.write(StepEvent{.step = 1,
                          .loss_nats = std::numeric_limits<double>::quiet_NaN(),
                          .gradient_norm = std::numeric_limits<double>::infinity()});
  const Json event = events_of(path).at(0);
  EXPECT_FALSE(event.contains("aux_loss"));
  EXPECT_FALSE(event.contains("memory_bytes"));
  EXPECT_TRUE(event["loss_nats"].is_null());
  EXPECT_TRUE(event["perplexity"].is_null());
  EXPECT_TRUE(event["gradient_norm"].is_null());
}

TEST(Metrics, KeepsTheLossToTheLastBit) {
  const auto path = fresh_file("bits.jsonl");
  MetricsWriter metrics(path);
  metrics.write(StepEvent{.step = 1, .loss_nats = 0.1 + 0.2});
  EXPECT_EQ(events_of(path).at(0)["loss_nats"].get<double>(), 0.1 + 0.2);
}

TEST(Metrics, AppendsToWhatIsThere) {
  const auto path = fresh_file("append.jsonl");
  MetricsWriter(path).write(StepEvent{.step = 1});
  MetricsWriter(path).write(ResumeEvent{.step = 1});
  EXPECT_EQ(events_of(path).size(), 2u);
}

TEST(Metrics, CutsATornLastLineOffWhenOpening) {
  const std::string whole = "{\"event\":\"step\"}\n" + std::string("{\"x\":\"") + std::string(9000, 'y') + "\"}\n";
  for (const std::string& torn : {std::string("{\"eve"), std::string(10'000, 'z'), std::string()}) {
    const auto path = fresh_file("torn.jsonl");
    std::ofstream(path) << whole << torn;
    MetricsWriter metrics(path);
    EXPECT_EQ(text_of(path), whole);
  }
  const auto path = fresh_file("torn.jsonl");
  std::ofstream(path) << std::string(5000, 'z');
  MetricsWriter metrics(path);
  EXPECT_EQ(text_of(path), "");
}

TEST(Metrics, ThatAreNotUtf8AreStillWritten) {
  const auto path = fresh_file("bytes.jsonl");
  MetricsWriter(path).write(CheckpointEvent{.step = 1, .path = "runs/\xff"});
  EXPECT_EQ(events_of(path).size(), 1u);
}

TEST(Metrics, AKilledRunLeavesWholeLines) {
  const auto path = fresh_file("killed.jsonl");
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    MetricsWriter metrics(path);
    for (std::int64_t step = 0;; ++step) metrics.write(StepEvent{.step = step});
  }
  for (int waited = 0; waited < 1000 && (!std::filesystem::exists(path) || std::filesystem::file_size(path) < 100'000);
       ++waited)
    usleep(5000);
  kill(child, SIGKILL);
  int status = 0;
  waitpid(child, &status, 0);
  const std::string text = text_of(path);
  ASSERT_GE(text.size(), 100'000u);
  EXPECT_TRUE(text.ends_with("}\n"));
  std::int64_t step = 0;
  for (const Json& event : events_of(path)) EXPECT_EQ(event["step"], step++);
}

TEST(Metrics, WaitWhereTheDiskIsFull) {
  std::vector<std::string> told;
  MetricsWriter metrics("/dev/full", [&](LogLevel, const std::string& message) { told.push_back(message); });
  metrics.write(StepEvent{.step = 1});
  metrics.write(StepEvent{.step = 2});
  metrics.sync();
  EXPECT_EQ(told.size(), 1u);
  EXPECT_THROW(metrics.expect_all_written(), WriteError);
}

TEST(Metrics, AnEndOutOfOrderIsToldOnce) {
  const auto path = fresh_file("ended.jsonl");
  const StopEvent error{.step = 3, .epoch = 1, .reason = "error", .exit_code = 76};
  append_stop_event(path, error);
  EXPECT_FALSE(std::filesystem::exists(path)) << "a run that has no metrics has not begun";
  MetricsWriter metrics(path);
  metrics.write(StepEvent{.step = 3});
  append_stop_event(path, error);
  append_stop_event(path, error);
  ASSERT_EQ(events_of(path).size(), 2u);
  EXPECT_EQ(events_of(path)[1].at("event"), "stop");
  EXPECT_EQ(events_of(path)[1].at("step"), 3);
  EXPECT_EQ(events_of(path)[1].at("exit_code"), 76);
  metrics.write(ResumeEvent{.step = 2});
  metrics.write(StopEvent{.step = 5, .reason = "signal", .exit_code = 75});
  append_stop_event(path, error);
  EXPECT_EQ(events_of(path).size(), 4u) << "a run that has told of its end";
  metrics.write(RunStartEvent{.settings = std::string(20'000, 'x')});
  append_stop_event(path, error);
  EXPECT_EQ(events_of(path).size(), 6u) << "behind a long line";
}

TEST(Metrics, AFolderThatIsMissingIsAWriteErrorWithItsPath) {
  try {
    MetricsWriter metrics("/nowhere/at/all/metrics.jsonl");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::write_failed);
    EXPECT_EQ(error.where(), "/nowhere/at/all/metrics.jsonl");
    EXPECT_THAT(error.fact(), testing::HasSubstr("No such file or directory"));
  }
}

}  // namespace
}  // namespace trellis
