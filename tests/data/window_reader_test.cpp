#include "data/window_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/corpus/corpus_fixture.h"

namespace trellis {
namespace {

using namespace testing_support;
using testing::StartsWith;

constexpr std::uint32_t kVocabulary = 50;

class WindowReaderTest : public testing::Test {
 protected:
  void SetUp() override {
    ids_ = some_ids(1003, kVocabulary);
    put_corpus(directory_ / "c", ids_, kVocabulary, 97);
    tokens_ = Corpus::open(directory_ / "c").open_split("train");
  }
  WindowPlan plan(std::int64_t lanes, std::int64_t steps, std::int64_t discard = 0) const {
    return {tokens_->tokens(), lanes, steps, discard, WindowUse::training, "train"};
  }
  // Does the batch hold what the definition says of its lanes?
  void expect_right(const WindowBatch& batch, const WindowPlan& of, Range lanes, std::int64_t index) const {
    const Window shape = of.window(index);
    ASSERT_EQ(batch.index, index);
    ASSERT_EQ(batch.steps, shape.steps);
    ASSERT_EQ(batch.discard, shape.discard);
    ASSERT_EQ(batch.lanes, lanes.size());
    ASSERT_EQ(batch.tokens.size(), static_cast<std::size_t>(shape.steps * lanes.size()));
    ASSERT_EQ(batch.targets.size(), batch.tokens.size());
    for (std::int64_t step = 0; step < shape.steps; ++step)
      for (std::int64_t lane = lanes.begin; lane < lanes.end; ++lane) {
        const auto at = static_cast<std::size_t>(step * lanes.size() + lane - lanes.begin);
        if (step >= of.steps_of_lane(lane, shape)) {
          ASSERT_EQ(batch.tokens[at], 0);
          ASSERT_EQ(batch.targets[at], 0);
          continue;
        }
        const auto token = static_cast<std::size_t>(of.lane(lane).begin + shape.start + step);
        ASSERT_EQ(batch.tokens[at], ids_[token]);
        ASSERT_EQ(batch.targets[at], ids_[token + 1]);
      }
  }

  const TemporaryDirectory directory_;
  std::vector<std::uint32_t> ids_;
  std::shared_ptr<const TokenReader> tokens_;
};

TEST_F(WindowReaderTest, GivesWhatTheDefinitionSaysForAnyLanesWindowsAndBlocks) {
  for (const std::int64_t lanes : {1, 3, 7})
    for (const std::int64_t steps : {1, 4, 13, 2000})
      for (const std::int64_t discard : {0, 1, 3})
        for (const std::int64_t block : {1, 5, 64, 100'000}) {
          if (discard >= steps) continue;
          const WindowPlan of = plan(lanes, steps, discard);
          WindowReader reader(tokens_, of, {0, lanes}, 0, {2, block});
          for (std::int64_t k = 0; k < of.windows(); ++k) {
            const WindowBatch* batch = reader.next();
            ASSERT_NE(batch, nullptr);
            ASSERT_NO_FATAL_FAILURE(expect_right(*batch, of, {0, lanes}, k));
          }
          ASSERT_EQ(reader.next(), nullptr);
          ASSERT_EQ(reader.next(), nullptr);
        }
}

TEST_F(WindowReaderTest, ReadsLanesOfEvaluationWhichOverlapAndDifferInLength) {
  for (const std::int64_t lanes : {2, 5, 300})
    for (const std::int64_t context : {0, 1, 30, 150}) {
      const WindowPlan of(tokens_->tokens(), lanes, 13, 2, WindowUse::evaluation, "valid", context);
      ASSERT_GT(of.lanes() * of.lane_length(), tokens_->tokens());
      WindowReader reader(tokens_, of, {0, lanes}, 0, {2, 64});
      for (std::int64_t k = 0; k < of.windows(); ++k) ASSERT_NO_FATAL_FAILURE(expect_right(*reader.next(), of, {0, lanes}, k));
      ASSERT_EQ(reader.next(), nullptr);
    }
}

TEST_F(WindowReaderTest, IsTheSameHoweverLanesAreSplit) {
  const WindowPlan of = plan(7, 13, 2);
  for (const int parts : {1, 2, 3, 4, 7, 9}) {
    WindowReader whole(tokens_, of, {0, 7});
    std::vector<std::unique_ptr<WindowReader>> readers;
    for (int part = 0; part < parts; ++part)
      readers.push_back(std::make_unique<WindowReader>(tokens_, of, shard_range(7, parts, part)));
    while (const WindowBatch* all = whole.next()) {
      std::vector<std::int64_t> tokens(all->tokens.size(), -1), targets(all->targets.size(), -1);
      for (const auto& reader : readers) {
        const WindowBatch* part = reader->next();
        ASSERT_NE(part, nullptr);
        ASSERT_EQ(part->steps, all->steps);
        for (std::int64_t step = 0; step < part->steps; ++step)
          for (std::int64_t lane = 0; lane < part->lanes; ++lane) {
            const auto to = static_cast<std::size_t>(step * 7 + reader->lanes().begin + lane),
                       from = static_cast<std::size_t>(step * part->lanes + lane);
            tokens[to] = part->tokens[from];
            targets[to] = part->targets[from];
          }
      }
      ASSERT_EQ(tokens, all->tokens);
      ASSERT_EQ(targets, all->targets);
    }
    for (const auto& reader : readers) ASSERT_EQ(reader->next(), nullptr);
  }
}

TEST_F(WindowReaderTest, NoLanesStillGiveEveryWindow) {
  const WindowPlan of = plan(2, 13);
  WindowReader reader(tokens_, of, {1, 1});
  for (std::int64_t k = 0; k < of.windows(); ++k) ASSERT_NO_FATAL_FAILURE(expect_right(*reader.next(), of, {1, 1}, k));
  EXPECT_EQ(reader.next(), nullptr);
}

TEST_F(WindowReaderTest, StartsAndRestartsAnywhere) {
  const WindowPlan of = plan(3, 13, 4);
  WindowReader reader(tokens_, of, {1, 3}, 5);
  ASSERT_NO_FATAL_FAILURE(expect_right(*reader.next(), of, {1, 3}, 5));
  for (const std::int64_t window :
       {std::int64_t{0}, of.windows() - 1, std::int64_t{2}, std::int64_t{2}, of.windows()}) {
    reader.restart(window);
    for (std::int64_t k = window; k < std::min(of.windows(), window + 3); ++k)
      ASSERT_NO_FATAL_FAILURE(expect_right(*reader.next(), of, {1, 3}, k));
  }
  EXPECT_EQ(reader.next(), nullptr);
  reader.restart(0);  // the next pass
  ASSERT_NO_FATAL_FAILURE(expect_right(*reader.next(), of, {1, 3}, 0));
  EXPECT_THAT(error_of([&] { reader.restart(of.windows() + 1); }), StartsWith("70: "));
}

TEST_F(WindowReaderTest, EndsCleanlyAtAnyMoment) {
  const WindowPlan of = plan(3, 5);
  for (int round = 0; round < 300; ++round) {
    WindowReader reader(tokens_, of, {0, 3}, round % of.windows(), {1 + round % 3, 16});
    for (int k = 0; k < round % 5; ++k) reader.next();
  }
}

TEST_F(WindowReaderTest, HandsErrorsToTheConsumerAtTheirWindow) {
  auto bad = ids_;
  bad[700] = kVocabulary;
  put_corpus(directory_ / "bad", bad, kVocabulary, 97);
  const auto tokens = Corpus::open(directory_ / "bad").open_split("train");
  const WindowPlan of(tokens->tokens(), 1, 10, 0, WindowUse::training, "train");
  WindowReader reader(tokens, of, {0, 1}, 0, {3, 1});
  for (std::int64_t k = 0; k <= 68; ++k) ASSERT_NO_FATAL_FAILURE(expect_right(*reader.next(), of, {0, 1}, k));
  // window 69 reads tokens 690 to 700: its last target is the bad one, 700 = 7 * 97 + 21
  for (int again = 0; again < 2; ++again)
    EXPECT_THAT(error_of([&] { reader.next(); }), StartsWith("65: train-00007.h5: /tokens[21]: id 50, expected < 50"));
  reader.restart(0);
  ASSERT_NO_FATAL_FAILURE(expect_right(*reader.next(), of, {0, 1}, 0));
  reader.restart(71);  // beyond it, all is well
  ASSERT_NO_FATAL_FAILURE(expect_right(*reader.next(), of, {0, 1}, 71));
}

TEST_F(WindowReaderTest, RefusesLanesAndPlansThatDoNotFit) {
  EXPECT_THAT(error_of([&] { WindowReader(tokens_, plan(3, 5), {2, 4}); }), StartsWith("70: "));
  const WindowPlan larger(2000, 3, 5, 0, WindowUse::training, "x");
  EXPECT_THAT(error_of([&] { WindowReader(tokens_, larger, {0, 3}); }), StartsWith("70: "));
}

}  // namespace
}  // namespace trellis
