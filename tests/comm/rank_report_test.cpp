// comm/faults/rank_report.h and comm/faults/operation_log.h: reports travel as text, and the table says who waits for whom.
#include "comm/faults/rank_report.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/errors.h"
#include "comm/process_group.h"
#include "comm/threads/thread_backend.h"
#include "tests/comm/backend_test_helpers.h"

namespace trellis {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

RankReport::Operation collective(std::uint64_t number, const std::string& signature, bool waited) {
  return {.group = 0, .waited = waited, .number = number, .signature = signature, .text = signature, .milliseconds = 2100};
}

// A rank of a world of four.
RankReport report(std::uint64_t collectives) { return {.groups = {{"world", {0, 1, 2, 3}, collectives}}}; }

TEST(RankReport, ComesBackFromItsText) {
  RankReport all = report(4);
  all.groups.push_back({"replica 1", {2, 3}, 0});
  all.open = {collective(4, "all_reduce of Float [2]", true)};
  all.open.push_back({.group = 1, .message = true, .waited = false, .number = 9, .peer = 3, .signature = "receive", .text = "receive 9 of Float []", .milliseconds = 0});
  all.ended = {collective(3, "barrier", false)};
  all.scopes = {"a checkpoint"};
  EXPECT_EQ(RankReport::from_text(all.to_text()), all);
  EXPECT_EQ(RankReport::from_text(RankReport().to_text()), RankReport());
  all.scopes = {"two\twords\nhere"};
  EXPECT_EQ(RankReport::from_text(all.to_text()).scopes[0], "two words here");
}

TEST(RankReport, RefusesWhatIsNoReport) {
  using testing_support::message_of;
  EXPECT_THAT(message_of(ExitCode::internal, [] { RankReport::from_text("nonsense\tx\n"); }), HasSubstr("nonsense"));
  EXPECT_THAT(message_of(ExitCode::internal, [] { RankReport::from_text("open\t0\t0\n"); }), HasSubstr("ends early"));
  EXPECT_THAT(message_of(ExitCode::internal, [] { RankReport::from_text("group\tworld\tmany\t\n"); }), HasSubstr("\"many\""));
  EXPECT_THAT(message_of(ExitCode::internal, [] { RankReport::from_text("open\t7\t0\t1\t1\t-1\t0\ta\ta\t\n"); }), HasSubstr("a group that it lacks"));
}

TEST(FaultTable, SaysWhoHasComeWhoHasNotWhoDiffersAndWhoIsSilent) {
  std::vector<RankAnswer> ranks(4);
  for (auto& rank : ranks) rank.place = "node, process 1";
  ranks[0].report = report(7);
  ranks[0].report->open = {collective(7, "all_reduce of Float [2]", true)};
  ranks[0].report->ended = {collective(6, "barrier", false)};
  ranks[1].silence = "its process is stopped";
  ranks[2].report = report(7);
  ranks[2].report->open = {collective(7, "broadcast of Float [2]", true)};
  ranks[3].report = report(6);
  const std::string table = fault_table(ranks);
  EXPECT_THAT(table, HasSubstr("all_reduce of Float [2] (collective 7 of group world): rank 0 in it; rank 2 does broadcast of Float [2] in its place; "
                               "NOT COME TO IT: rank 3; SILENT: rank 1\n"));
  EXPECT_THAT(table, HasSubstr("says nothing: its process is stopped"));
  EXPECT_THAT(table, HasSubstr("barrier in group world, 2.1 s ago"));
  EXPECT_THAT(table, HasSubstr("nothing: it computes, reads or writes"));
}

TEST(FaultTable, FollowsAMessageToItsSender) {
  std::vector<RankAnswer> ranks(4);
  for (auto& rank : ranks) rank.report = report(0);
  ranks[2].report->open = {{.message = true, .waited = true, .number = 3, .peer = 1, .signature = "receive", .text = "receive 3 of Float [5] from rank 1 with tag 0"}};
  ranks[1].report->open = {collective(1, "all_gather of Int [2]", true)};
  EXPECT_THAT(fault_table(ranks), HasSubstr("receive 3 of Float [5] from rank 1 with tag 0 (rank 2): rank 1 of the world, which it waits for: all_gather of Int [2]"));
}

TEST(FaultTable, OfManyRanksHasARowForTheTellingOnes) {
  std::vector<RankAnswer> ranks(1000);
  std::vector<int> members;
  for (int r = 0; r < 1000; ++r) members.push_back(r);
  for (int r = 0; r < 1000; ++r) {
    if (r == 900) continue;
    ranks[r].report = RankReport{.groups = {{"world", members, 7}}};
    ranks[r].report->open = {collective(7, "barrier", true)};
  }
  ranks[900].silence = "it is gone";
  const std::string table = fault_table(ranks);
  EXPECT_THAT(table, HasSubstr("\n  900 "));
  EXPECT_THAT(table, HasSubstr("and 936 ranks more that wait"));
  EXPECT_THAT(table, HasSubstr("ranks 0-899, 901-999 in it; SILENT: rank 900"));
  EXPECT_LT(table.size(), 20'000u);
}

TEST(OperationLog, KnowsWhatIsUnderWayAndWhatHasEnded) {
  Watchdog watchdog(0, std::chrono::minutes(1), [](const Watchdog::Report&) {});
  run_thread_ranks(2, [&](const BackendPtr& backend, int rank) {
    const ProcessGroup group(backend, "pair", rank == 0 ? &watchdog : nullptr, {4, 9});
    group.barrier();
    EXPECT_THROW(group.all_reduce(at::zeros({2, 2}).t().slice(0, 0, 1).t(), Reduction::sum), InternalError);  // neither under way nor lost
    if (rank == 1) return group.start_send(at::zeros({3}), 0, 5).wait();
    Pending receiving = group.start_receive(at::zeros({3}), 1, 5);
    const RankReport before = make_rank_report(watchdog);
    ASSERT_EQ(before.groups.size(), 1u);
    EXPECT_EQ(before.groups[0].members, (std::vector<int>{4, 9}));
    EXPECT_EQ(before.groups[0].collectives, 2u);
    ASSERT_EQ(before.open.size(), 1u);
    EXPECT_EQ(before.open[0].text, "receive 1 of Float [3] from rank 1 with tag 5");
    EXPECT_EQ(before.open[0].peer, 9);
    EXPECT_FALSE(before.open[0].waited);
    receiving.wait();
    const RankReport after = make_rank_report(watchdog);
    EXPECT_TRUE(after.open.empty());
    ASSERT_EQ(after.ended.size(), 3u);
    EXPECT_EQ(after.ended[0].text, "barrier 1");
    EXPECT_EQ(after.ended[2].text, before.open[0].text);
  });
}

}  // namespace
}  // namespace trellis
