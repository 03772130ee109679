// Where a run stands, as JSON: what is written reads back, and what cannot be a run's state is refused.
#include "trainer/run_state.h"

#include <gmock/gmock.h>

#include <cmath>
#include <limits>

#include "base/errors.h"

namespace trellis {
namespace {

using nlohmann::json;
using testing::HasSubstr;

RunState full() {
  return {.step = 1'000'000'000'000, .epoch = 3, .window = 7, .scored = 9'007'199'254'740'993,
          .plateau = {.recent = {1.0 / 3, 5e-324}, .best_before = 0.1 + 0.2, .falls = 2},
          .best = BestValidation{4.9406564584124654e-10, 12}, .validations_without_best = 5, .averaged_updates = 12, .validation_due = true, .chunks = ChunkChoice{4, 12}};
}

TEST(RunState, ReadsBackToTheLastBit) {
  for (const RunState& state : {RunState{}, full()}) {
    EXPECT_EQ(RunState::from_json(json::parse(state.to_json().dump()), 4, "here"), state);
  }
}

TEST(RunState, ReadsTheFirstVersion) {
  const json first = json::parse(R"({"step": 12, "epoch": 1, "window": 3, "tokens": 4096, "validations_without_best": 2,
    "plateau": {"recent": [5.5], "falls": 1, "best_before": null}, "best": {"loss_nats_per_token": 5.25, "step": 10}})");
  const RunState expected{.step = 12, .epoch = 1, .window = 3, .scored = 4096, .plateau = {.recent = {5.5}, .best_before = {}, .falls = 1},
                          .best = BestValidation{5.25, 10}, .validations_without_best = 2};
  EXPECT_EQ(RunState::from_json(first, 1, "here"), expected);
}

TEST(RunState, ReadsTheSecondVersion) {
  json second = full().to_json();
  second.erase("chunks"), second.erase("validation_due");
  RunState expected = full();
  expected.chunks.reset();
  expected.validation_due = false;
  EXPECT_EQ(RunState::from_json(second, 2, "here"), expected);
}

TEST(RunState, ReadsTheThirdVersion) {
  json third = full().to_json();
  third.erase("validation_due");
  RunState expected = full();
  expected.validation_due = false;
  EXPECT_EQ(RunState::from_json(third, 3, "here"), expected);
}

std::string refusal(const json& state) {
  try {
    RunState::from_json(state, 4, "manifest.json");
  } catch (const DataError& error) {
    EXPECT_EQ(error.where(), "manifest.json");
    return error.fact();
  }
  return "no error";
}

TEST(RunState, RefusesWhatLacksAMember) {
  const json whole = full().to_json();
  for (const auto& [name, value] : whole.items()) {
    json lacking = whole;
    lacking.erase(name);
    EXPECT_THAT(refusal(lacking), HasSubstr(name));
  }
}

TEST(RunState, RefusesAnotherType) {
  const json whole = full().to_json();
  for (const auto& [name, value] : whole.items()) {
    json other = whole;
    other[name] = "seven";
    EXPECT_THAT(refusal(other), HasSubstr("the run's state cannot be used: ")) << name;
  }
  EXPECT_NE(refusal(json::array()), "no error");
  EXPECT_NE(refusal(nullptr), "no error");
}

TEST(RunState, RefusesCountsThatAreNone) {
  for (const char* name : {"step", "epoch", "window", "scored", "averaged_updates", "validations_without_best"}) {
    for (const char* count : {"-1", "3.5", "1.0", "1e30", "18446744073709551615"}) {
      json other = full().to_json();
      other[name] = json::parse(count);
      EXPECT_THAT(refusal(other), HasSubstr("'" + std::string(name) + "' is ")) << count;
    }
  }
  for (const auto& [place, value] : {std::pair("/plateau/falls", 0.5), {"/chunks/stages", 0.0}, {"/chunks/chunks", 1.5}, {"/best/step", -1.0}}) {
    json other = full().to_json();
    other[json::json_pointer(place)] = value;
    EXPECT_NE(refusal(other), "no error") << place;
  }
}

TEST(RunState, RemembersALossThatIsNoNumber) {
  RunState state = full();
  state.plateau.recent = {1.5, std::numeric_limits<double>::quiet_NaN()};
  const RunState read = RunState::from_json(json::parse(state.to_json().dump()), 3, "here");
  ASSERT_EQ(read.plateau.recent.size(), 2u);
  EXPECT_EQ(read.plateau.recent[0], 1.5);
  EXPECT_TRUE(std::isnan(read.plateau.recent[1]));
}

}  // namespace
}  // namespace trellis
