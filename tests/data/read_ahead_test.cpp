#include "data/read_ahead.h"

#include <atomic>
#include <chrono>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <set>
#include <stdexcept>
#include <thread>
#include <vector>

namespace trellis {
namespace {

using Batch = std::vector<std::int64_t>;

TEST(ReadAhead, GivesEveryBatchInOrderFromAnywhere) {
  for (const int batches_ahead : {1, 2, 5}) {
    ReadAhead<Batch> ahead(20, batches_ahead, [](Batch& batch, std::int64_t index) { batch.assign(3, index); });
    EXPECT_EQ(ahead.next(), nullptr);  // not begun
    for (const std::int64_t start : {0, 19, 7, 20}) {
      ahead.restart(start);
      for (std::int64_t index = start; index < 20; ++index) ASSERT_EQ(*ahead.next(), Batch(3, index));
      EXPECT_EQ(ahead.next(), nullptr);
      EXPECT_EQ(ahead.next(), nullptr);
    }
  }
}

TEST(ReadAhead, IsNeverMoreBatchesAheadThanAsked) {
  std::atomic<std::int64_t> filled = 0;
  ReadAhead<Batch> ahead(1000, 3, [&](Batch&, std::int64_t) { ++filled; });
  ahead.restart(0);
  for (std::int64_t taken = 1; taken <= 50; ++taken) {
    ahead.next();
    std::this_thread::sleep_for(std::chrono::microseconds(200));
    EXPECT_LE(filled, taken + 2);  // the one in hand is one of the three
  }
}

TEST(ReadAhead, UsesTheSameMemoryAgainEvenAfterErrors) {
  std::set<const std::int64_t*> places;
  bool fails = true;
  ReadAhead<Batch> ahead(100, 2, [&](Batch& batch, std::int64_t index) {
    batch.resize(1000);
    if (fails && index == 50) throw std::runtime_error("fifty");
  });
  ahead.restart(0);
  for (int i = 0; i < 50; ++i) places.insert(ahead.next()->data());
  EXPECT_LE(places.size(), 2U);
  for (int again = 0; again < 3; ++again) EXPECT_THROW(ahead.next(), std::runtime_error);
  ahead.stop();
  fails = false;
  ahead.restart(40);
  for (int i = 40; i < 100; ++i) ASSERT_NE(ahead.next(), nullptr) << i;
  EXPECT_EQ(ahead.next(), nullptr);
}

TEST(ReadAhead, StandsStillAfterStop) {
  std::atomic<std::int64_t> filled = 0;
  ReadAhead<Batch> ahead(1'000'000, 3, [&](Batch& batch, std::int64_t index) { batch.assign(1, index), ++filled; });
  ahead.restart(0);
  for (int i = 0; i < 10; ++i) ahead.next();
  ahead.stop();
  const std::int64_t then = filled;
  std::this_thread::sleep_for(std::chrono::milliseconds(2));
  EXPECT_EQ(filled, then);
  EXPECT_EQ(ahead.next(), nullptr);
  ahead.restart(5);
  EXPECT_EQ(*ahead.next(), Batch(1, 5));
}

TEST(ReadAhead, RefusesBatchesThatDoNotExist) {
  ReadAhead<Batch> ahead(3, 1, [](Batch&, std::int64_t) {});
  EXPECT_THROW(ahead.restart(4), InternalError);
  EXPECT_THROW(ahead.restart(-1), InternalError);
  EXPECT_THROW((ReadAhead<Batch>(3, 0, [](Batch&, std::int64_t) {})), InternalError);
}

}  // namespace
}  // namespace trellis
