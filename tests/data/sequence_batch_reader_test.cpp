#include "data/sequence_batch_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "plan/shuffle.h"
#include "tests/corpus/sequence_fixture.h"

namespace trellis {
namespace {

using namespace testing_support;
using testing::StartsWith;

constexpr std::int64_t kSequences = 53, kSteps = 6, kChannels = 3;
using Order = std::vector<std::int64_t>;

class SequenceBatchReaderTest : public testing::Test {
 protected:
  void SetUp() override {
    all_ = some_sequences(kSequences, description_);
    put_sequences(directory_ / "c", all_, description_, 11);
    sequences_ = SequenceCorpus::open(directory_ / "c").open_split("train");
  }
  SequenceBatches plan(std::int64_t lanes) const { return {kSequences, lanes, "train"}; }
  // Does the batch hold what the definition says of its lanes?
  void expect_right(const SequenceBatch* batch, const SequenceBatches& of, Range lanes, std::int64_t index,
                    const std::optional<Order>& order = {}, const std::optional<Order>& step_order = {}) const {
    ASSERT_NE(batch, nullptr);
    ASSERT_EQ(batch->index, index);
    ASSERT_EQ(batch->steps, kSteps);
    ASSERT_EQ(batch->channels, kChannels);
    ASSERT_EQ(batch->all_lanes, std::min(of.lanes(), kSequences - index * of.lanes()));
    std::vector<std::int64_t> numbers;  // of the sequences
    for (std::int64_t lane = lanes.begin; lane < lanes.end; ++lane)
      if (const std::int64_t place = index * of.lanes() + lane; place < kSequences)
        numbers.push_back(order ? (*order)[static_cast<std::size_t>(place)] : place);
    ASSERT_EQ(batch->lanes, static_cast<std::int64_t>(numbers.size()));
    ASSERT_EQ(batch->labels.size(), numbers.size());
    ASSERT_EQ(batch->pixels.size(), static_cast<std::size_t>(kSteps * kChannels) * numbers.size());
    for (std::size_t lane = 0; lane < numbers.size(); ++lane) {
      ASSERT_EQ(batch->labels[lane], all_.labels[static_cast<std::size_t>(numbers[lane])]);
      for (std::int64_t step = 0; step < kSteps; ++step)
        for (std::int64_t channel = 0; channel < kChannels; ++channel) {
          const std::int64_t stored = step_order ? (*step_order)[static_cast<std::size_t>(step)] : step;
          ASSERT_EQ(batch->pixels[static_cast<std::size_t>(
                        (step * batch->lanes + static_cast<std::int64_t>(lane)) * kChannels + channel)],
                    all_.pixels[static_cast<std::size_t>((numbers[lane] * kSteps + stored) * kChannels + channel)]);
        }
    }
  }

  const SequenceDescription description_ = described(kSteps, kChannels, 10);
  const TemporaryDirectory directory_;
  Sequences all_;
  std::shared_ptr<const SequenceReader> sequences_;
};

TEST_F(SequenceBatchReaderTest, GivesWhatTheDefinitionSaysInAnyOrderOfSequencesAndSteps) {
  const Order shuffled = random_permutation(kSequences, 1, 0, Purpose::shuffle),
              steps = random_permutation(kSteps, 1, 0, Purpose::permutation);
  for (const std::int64_t lanes : {1, 4, 8, 53, 60})
    for (const std::optional<Order>& step_order : {std::optional<Order>(), std::optional<Order>(steps)}) {
      const SequenceBatches of = plan(lanes);
      SequenceBatchReader reader(sequences_, of, {0, lanes}, {2, step_order});
      for (std::int64_t k = 0; k < of.batches(); ++k)
        ASSERT_NO_FATAL_FAILURE(expect_right(reader.next(), of, {0, lanes}, k, {}, step_order));
      ASSERT_EQ(reader.next(), nullptr);
      reader.restart(0, shuffled);
      for (std::int64_t k = 0; k < of.batches(); ++k)
        ASSERT_NO_FATAL_FAILURE(expect_right(reader.next(), of, {0, lanes}, k, shuffled, step_order));
      ASSERT_EQ(reader.next(), nullptr);
    }
}

TEST_F(SequenceBatchReaderTest, IsTheSameHoweverLanesAreSplit) {
  const SequenceBatches of = plan(8);  // the last batch has five sequences
  const Order order = random_permutation(kSequences, 1, 3, Purpose::shuffle);
  for (const int parts : {1, 2, 3, 4, 8, 9})
    for (int part = 0; part < parts; ++part) {
      const Range lanes = shard_range(8, parts, part);
      SequenceBatchReader reader(sequences_, of, lanes);
      reader.restart(0, order);
      for (std::int64_t k = 0; k < of.batches(); ++k)
        ASSERT_NO_FATAL_FAILURE(expect_right(reader.next(), of, lanes, k, order));
      ASSERT_EQ(reader.next(), nullptr);
    }
}

TEST_F(SequenceBatchReaderTest, LanesBeyondAShortLastBatchHaveNone) {
  const SequenceBatches of = plan(8);
  SequenceBatchReader reader(sequences_, of, {6, 8});
  reader.restart(6);
  const SequenceBatch* batch = reader.next();
  ASSERT_NO_FATAL_FAILURE(expect_right(batch, of, {6, 8}, 6));
  EXPECT_EQ(batch->lanes, 0);
  EXPECT_EQ(batch->all_lanes, 5);
  EXPECT_EQ(reader.next(), nullptr);
}

TEST_F(SequenceBatchReaderTest, RestartsAnywhereInTheSameOrAnotherOrder) {
  const SequenceBatches of = plan(8);
  const Order first = random_permutation(kSequences, 1, 0, Purpose::shuffle),
              second = random_permutation(kSequences, 1, 1, Purpose::shuffle);
  SequenceBatchReader reader(sequences_, of, {2, 5});
  ASSERT_NO_FATAL_FAILURE(expect_right(reader.next(), of, {2, 5}, 0));
  reader.restart(3, first);
  ASSERT_NO_FATAL_FAILURE(expect_right(reader.next(), of, {2, 5}, 3, first));
  reader.restart(1);
  ASSERT_NO_FATAL_FAILURE(expect_right(reader.next(), of, {2, 5}, 1, first));
  reader.restart(6, second);
  ASSERT_NO_FATAL_FAILURE(expect_right(reader.next(), of, {2, 5}, 6, second));
  EXPECT_EQ(reader.next(), nullptr);
  reader.restart(of.batches());
  EXPECT_EQ(reader.next(), nullptr);
  reader.restart(0);
  ASSERT_NO_FATAL_FAILURE(expect_right(reader.next(), of, {2, 5}, 0, second));
}

TEST_F(SequenceBatchReaderTest, EndsCleanlyAtAnyMoment) {
  const SequenceBatches of = plan(5);
  for (int round = 0; round < 200; ++round) {
    SequenceBatchReader reader(sequences_, of, {0, 3}, {1 + round % 3, {}});
    reader.restart(round % of.batches());
    for (int k = 0; k < round % 4; ++k) reader.next();
  }
}

TEST_F(SequenceBatchReaderTest, HandsErrorsToTheConsumerAtTheirBatch) {
  Sequences bad = all_;
  bad.labels[30] = 10;
  put_sequences(directory_ / "bad", bad, description_, 11);
  const auto sequences = SequenceCorpus::open(directory_ / "bad").open_split("train");
  const SequenceBatches of = plan(4);
  SequenceBatchReader reader(sequences, of, {0, 4});
  for (std::int64_t k = 0; k < 7; ++k) ASSERT_NO_FATAL_FAILURE(expect_right(reader.next(), of, {0, 4}, k));
  for (int again = 0; again < 2; ++again)  // 30 = 2 * 11 + 8
    EXPECT_THAT(error_of([&] { reader.next(); }),
                StartsWith("65: train-00002.h5: /labels[8]: label 10, expected < 10"));
  reader.restart(8);
  ASSERT_NO_FATAL_FAILURE(expect_right(reader.next(), of, {0, 4}, 8));
}

TEST_F(SequenceBatchReaderTest, RefusesLanesPlansAndOrdersThatDoNotFit) {
  EXPECT_THAT(error_of([&] { SequenceBatchReader(sequences_, plan(3), {2, 4}); }), StartsWith("70: "));
  EXPECT_THAT(error_of([&] {
                SequenceBatchReader(sequences_, SequenceBatches(kSequences + 1, 3, "x"), {0, 3});
              }),
              StartsWith("70: "));
  for (const Order& steps : {Order{}, Order{0, 1, 2, 3, 4}, Order{0, 1, 2, 3, 4, 4}, Order{0, 1, 2, 3, 4, 6}})
    EXPECT_THAT(error_of([&] { SequenceBatchReader(sequences_, plan(3), {0, 3}, {1, steps}); }), StartsWith("70: "));
  SequenceBatchReader reader(sequences_, plan(3), {0, 3});
  EXPECT_THAT(error_of([&] { reader.restart(0, Order(kSequences, 0)); }), StartsWith("70: "));
  EXPECT_THAT(error_of([&] { reader.restart(100); }), StartsWith("70: "));
}

}  // namespace
}  // namespace trellis
