#include "plan/pipeline_schedule.h"

#include <gtest/gtest.h>

#include <cmath>
#include <deque>
#include <set>
#include <vector>

namespace trellis {
namespace {

constexpr std::int64_t kCounts[] = {0, 1, 2, 3, 7, 13, 55, 127};

// Nonempty, one behind the other from 0 to `count`, as even as can be, longer ones first.
void expect_tiles(const std::vector<Range>& ranges, std::int64_t count) {
  std::int64_t next = 0;
  for (const Range& range : ranges) {
    ASSERT_EQ(range.begin, next);
    ASSERT_FALSE(range.empty());
    ASSERT_LE(range.size(), ranges.front().size());
    ASSERT_LE(ranges.front().size() - range.size(), 1);
    next = range.end;
  }
  ASSERT_EQ(next, count);
}

TEST(Units, TileTheLanesAndStepsInOrder) {
  for (const std::int64_t lanes : kCounts)
    for (const std::int64_t groups : {1, 2, 3, 50})
      for (const std::int64_t steps : {1, 2, 7, 55, 127})
        for (const std::int64_t chunks : {1, 2, 3, 7, 1000}) {
          const std::vector<WorkUnit> units = units_of(lanes, groups, steps, chunks);
          ASSERT_EQ(static_cast<std::int64_t>(units.size()), std::min(lanes, groups) * std::min(steps, chunks));
          const std::vector<Range> times = split_steps(steps, chunks), parts = split_lanes(lanes, groups);
          for (std::size_t n = 0; n < units.size(); ++n) {  // lane group by lane group, chunk by chunk
            ASSERT_EQ(units[n], (WorkUnit{static_cast<int>(n / times.size()), parts[n / times.size()], times[n % times.size()]}));
          }
          expect_tiles(times, steps);
          expect_tiles(parts, lanes);
        }
}

TEST(GrowingChunks, TileTheStepsAndAreAtMostTwiceAsLongAsTheFirst) {
  for (const ChunkGrowth growth : {ChunkGrowth{48, 43}, ChunkGrowth{6, 1}, ChunkGrowth{1001, 1000}})
    for (const std::int64_t steps : {1, 2, 7, 55, 127, 784})
      for (const std::int64_t chunks : {1, 2, 3, 7, 8, 1000}) {
        const std::vector<Range> times = split_steps(steps, chunks, growth);
        ASSERT_EQ(static_cast<std::int64_t>(times.size()), std::min(steps, chunks));
        std::int64_t next = 0;
        for (std::size_t n = 0; n < times.size(); ++n) {
          ASSERT_EQ(times[n].begin, next);
          ASSERT_FALSE(times[n].empty());
          const std::int64_t before = n > 0 ? times[n - 1].size() : 0;
          ASSERT_GE(times[n].size() + 1, before);
          ASSERT_LE(times[n].size(), kMostGrowth * (times[0].size() + 1) + 1);
          next = times[n].end;
        }
        ASSERT_EQ(next, steps);
      }
  const std::vector<Range> of_128 = split_steps(128, 8, {48, 43});
  EXPECT_LT(of_128[0].size(), 12);
  EXPECT_GT(of_128[7].size(), 19);
}

// Seconds of both waves through two stages that take so much a step.
std::int64_t length_of_waves(const std::vector<Range>& times, std::int64_t lower, std::int64_t upper) {
  std::int64_t below = 0, above = 0;
  for (const Range time : times) above = std::max(above, below += lower * time.size()) + upper * time.size();
  std::int64_t backward_above = 0, backward_below = 0;
  for (auto time = times.rbegin(); time != times.rend(); ++time) {
    backward_below = std::max(backward_below, backward_above += upper * time->size()) + lower * time->size();
  }
  return above + backward_below;
}

TEST(GrowingChunks, ShortenWhatTwoStagesOfEquallyManyLevelsWait) {
  for (const std::int64_t levels : {4, 8, 16, 56})
    for (const std::int64_t chunks : {3, 8, 16}) {
      const ChunkGrowth growth = chunk_growth(levels, 2, 1);
      ASSERT_FALSE(growth.none());
      const std::int64_t even = length_of_waves(split_steps(512, chunks), growth.denominator, growth.numerator);
      EXPECT_LT(length_of_waves(split_steps(512, chunks, growth), growth.denominator, growth.numerator), even) << levels << ", " << chunks;
    }
  const ChunkGrowth of_16 = chunk_growth(16, 2, 1);
  EXPECT_EQ(of_16, (ChunkGrowth{48, 43}));
  for (const ChunkGrowth& none : {chunk_growth(17, 2, 1), chunk_growth(16, 1, 1), chunk_growth(16, 4, 1), chunk_growth(16, 2, 2)}) {
    EXPECT_TRUE(none.none()) << "one stage has no less to do, or others wait for the longest chunk";
  }
}

TEST(LevelsOfStages, TileTheNetworkAndEveryLevelKnowsItsStage) {
  for (const std::int64_t levels : {1, 2, 3, 7, 16, 55, 75})
    for (int stages = 1; stages <= levels; ++stages) {
      std::int64_t next = 0;
      for (int stage = 0; stage < stages; ++stage) {
        const Range range = levels_of_stage(levels, stages, stage);
        ASSERT_EQ(range.begin, next);
        ASSERT_FALSE(range.empty());
        next = range.end;
        for (std::int64_t level = range.begin; level < range.end; ++level) ASSERT_EQ(stage_of_level(levels, stages, level), stage);
      }
      ASSERT_EQ(next, levels);
    }
}

enum class Sends { buffered, rendezvous };  // a send ends at once, or when its receive begins

// Walks all stages' lists at once. Receives block. Every action takes one unit of time, messages and the loss none.
class Simulation {
 public:
  Simulation(int stages, const std::vector<WorkUnit>& units, Sends sends)
      : stages_(stages), units_(units), sends_(sends), of_(static_cast<std::size_t>(stages)) {
    for (int stage = 0; stage < stages; ++stage)
      at(stage).actions = actions_of_stage(stages, stage, static_cast<std::int64_t>(units.size()));
  }

  // False where nobody can go on although somebody has not finished.
  bool run() {
    for (bool moved = true; moved;) {
      moved = false;
      for (int stage = 0; stage < stages_; ++stage) {
        while (!done(stage) && step(stage)) moved = true;
      }
    }
    for (int stage = 0; stage < stages_; ++stage) {
      if (!done(stage)) return false;
    }
    return true;
  }
  std::int64_t messages_left() const {
    std::int64_t left = 0;
    for (const auto& stage : of_) left += static_cast<std::int64_t>(stage.up.size() + stage.down.size());
    return left;
  }
  std::int64_t clock(int stage) { return at(stage).clock; }
  std::int64_t clock_at_loss() const { return clock_at_loss_; }
  const std::set<std::int64_t>& backward_done(int stage) { return at(stage).backward; }

 private:
  struct Message {
    std::int64_t unit, time;
  };
  struct Stage {
    std::vector<Action> actions;
    std::size_t next = 0;
    std::int64_t clock = 0;
    bool at_loss = false, loss_done = false;
    bool sent = false;  // rendezvous: the message lies there and is waited for
    std::set<std::int64_t> received, forward, gradients, backward;
    std::deque<Message> up, down;  // messages to the stage above, below
  };
  Stage& at(int stage) { return of_[static_cast<std::size_t>(stage)]; }
  bool done(int stage) { return at(stage).next == at(stage).actions.size(); }

  bool receive(Stage& stage, std::deque<Message>& from, std::int64_t unit, std::set<std::int64_t>& into) {
    if (from.empty()) return false;
    EXPECT_EQ(from.front().unit, unit) << "messages arrive in the order sent";
    stage.clock = std::max(stage.clock, from.front().time);
    from.pop_front();
    into.insert(unit);
    return true;
  }
  bool send(Stage& stage, std::deque<Message>& to, std::int64_t unit) {
    if (!stage.sent) {
      to.push_back({unit, stage.clock});
      if (sends_ == Sends::buffered) return true;
      stage.sent = true;
      return false;
    }
    if (!to.empty()) return false;
    stage.sent = false;
    return true;
  }
  // Units of the same lanes that come before (-1) or after (+1) in time, all of them.
  bool all_neighbours_in(std::int64_t unit, int direction, const std::set<std::int64_t>& set) const {
    for (std::int64_t n = unit + direction; 0 <= n && n < static_cast<std::int64_t>(units_.size()); n += direction) {
      if (units_[static_cast<std::size_t>(n)].lane_group == units_[static_cast<std::size_t>(unit)].lane_group && !set.contains(n))
        return false;
    }
    return true;
  }
  bool step(int number) {
    Stage& stage = at(number);
    const Action action = stage.actions[stage.next];
    bool went = true;
    switch (action.kind) {
      case Action::Kind::receive:
        went = receive(stage, at(number - 1).up, action.unit, stage.received);
        break;
      case Action::Kind::receive_gradient:
        went = receive(stage, at(number + 1).down, action.unit, stage.gradients);
        break;
      case Action::Kind::send:
        EXPECT_TRUE(stage.forward.contains(action.unit));
        went = send(stage, stage.up, action.unit);
        break;
      case Action::Kind::send_gradient:
        EXPECT_TRUE(stage.backward.contains(action.unit));
        went = send(stage, stage.down, action.unit);
        break;
      case Action::Kind::forward:
        EXPECT_TRUE(number == 0 || stage.received.contains(action.unit)) << "what lies below is there";
        EXPECT_TRUE(all_neighbours_in(action.unit, -1, stage.forward)) << "the halo, of however many chunks before, is there";
        EXPECT_TRUE(stage.forward.insert(action.unit).second);
        ++stage.clock;
        break;
      case Action::Kind::backward:
        EXPECT_TRUE(stage.loss_done);
        EXPECT_TRUE(number + 1 == stages_ || stage.gradients.contains(action.unit));
        EXPECT_TRUE(all_neighbours_in(action.unit, +1, stage.backward)) << "later chunks have left their halo's gradient";
        EXPECT_TRUE(stage.backward.insert(action.unit).second);
        ++stage.clock;
        break;
      case Action::Kind::loss:
        EXPECT_EQ(stage.forward.size(), units_.size());
        stage.at_loss = true;
        went = all_at_loss();
        stage.loss_done = went;
        if (went) stage.clock = clock_at_loss_;
        break;
    }
    if (went) ++stage.next;
    return went;
  }
  bool all_at_loss() {
    std::int64_t latest = 0;
    for (const Stage& stage : of_) {
      if (!stage.at_loss) return false;
      latest = std::max(latest, stage.clock);
    }
    if (clock_at_loss_ < 0) clock_at_loss_ = latest;
    return true;
  }

  int stages_;
  std::vector<WorkUnit> units_;
  Sends sends_;
  std::vector<Stage> of_;
  std::int64_t clock_at_loss_ = -1;
};

// Few and many stages, lanes, groups, steps and chunks: none, one, primes, more parts than there is to split.
template <class F>
void for_every_pipeline(const F& f) {
  for (const int stages : {1, 2, 3, 7})
    for (const std::int64_t lanes : {0, 1, 5})
      for (const std::int64_t groups : {1, 3})
        for (const std::int64_t steps : {1, 2, 13})
          for (const std::int64_t chunks : {1, 2, 7, 100}) f(stages, units_of(lanes, groups, steps, chunks));
}

TEST(Schedule, EverySendMeetsItsReceiveAndNothingIsUsedBeforeItIsThere) {
  for_every_pipeline([](int stages, const std::vector<WorkUnit>& units) {
    for (const Sends sends : {Sends::buffered, Sends::rendezvous}) {
      Simulation simulation(stages, units, sends);
      ASSERT_TRUE(simulation.run()) << "the stages wait for each other";
      ASSERT_EQ(simulation.messages_left(), 0);
      for (int stage = 0; stage < stages; ++stage) ASSERT_EQ(simulation.backward_done(stage).size(), units.size());
    }
  });
}

TEST(Schedule, WaitsAsLongAsTheBubbleSays) {
  for_every_pipeline([](int stages, const std::vector<WorkUnit>& units) {
    if (units.empty()) return;
    const auto count = static_cast<std::int64_t>(units.size());
    Simulation simulation(stages, units, Sends::buffered);
    ASSERT_TRUE(simulation.run());
    ASSERT_EQ(simulation.clock_at_loss(), count + stages - 1);
    ASSERT_EQ(simulation.clock(0), 2 * (count + stages - 1));  // the lowest stage ends last
    ASSERT_NEAR(bubble_of(stages, count), 1 - static_cast<double>(count) / static_cast<double>(count + stages - 1), 1e-15);
  });
}

TEST(BestChunks, CostLessThanAlmostAnyOther) {
  for (const int stages : {2, 3, 8, 64})
    for (const double ratio : {1e-4, 0.1, 3.0, 1e3})  // of overhead to the time of a step
      for (const std::int64_t steps : {1, 2, 17, 75, 500}) {
        const auto cost = [&](std::int64_t n) {
          return static_cast<double>(n + stages - 1) * (ratio + static_cast<double>(steps) / static_cast<double>(n));
        };
        double least = cost(1);
        for (std::int64_t n = 1; n <= steps; ++n) least = std::min(least, cost(n));
        const std::int64_t best = best_chunks(stages, ratio, 1, steps);
        ASSERT_GE(best, 1);
        ASSERT_LE(best, steps);
        EXPECT_LE(cost(best), least * 1.02) << stages << " " << ratio << " " << steps << " " << best;
      }
}

TEST(BestChunks, HasEdges) {
  EXPECT_EQ(best_chunks(1, 1e-3, 1e-3, 100), 1);  // nobody waits
  EXPECT_EQ(best_chunks(4, 0, 1e-3, 100), 100);   // chunks cost nothing
  EXPECT_EQ(best_chunks(4, 1e-3, 0, 100), 1);
  EXPECT_EQ(best_chunks(4, std::nan(""), 1e-3, 100), 100);
}

}  // namespace
}  // namespace trellis
