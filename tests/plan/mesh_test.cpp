#include "plan/mesh.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "base/errors.h"

namespace trellis {
namespace {

using testing::HasSubstr;

VocabularyLayout over(int ranks) { return {.kind = VocabularyLayout::Kind::ranks, .ranks = ranks}; }
VocabularyLayout layout(VocabularyLayout::Kind kind) { return {.kind = kind}; }

// Every mesh that fits the ranks.
template <class F>
void for_every_mesh(int most_ranks, const F& f) {
  for (int ranks = 1; ranks <= most_ranks; ++ranks)
    for (int pipeline = 1; pipeline <= ranks; ++pipeline)
      for (int vocabulary = 1; vocabulary <= ranks; ++vocabulary)
        if (ranks % pipeline == 0 && ranks % vocabulary == 0) f(make_mesh(ranks, 0, pipeline, over(vocabulary), 100));
}

TEST(Mesh, EveryRankHasOneReplicaStageGroupAndPlace) {
  for_every_mesh(24, [](const Mesh& mesh) {
    std::set<std::pair<int, int>> coordinates, places;
    for (int rank = 0; rank < mesh.ranks(); ++rank) {
      ASSERT_EQ(mesh.rank_of(mesh.replica_of(rank), mesh.stage_of(rank)), rank);
      ASSERT_LT(mesh.replica_of(rank), mesh.data);
      ASSERT_LT(mesh.stage_of(rank), mesh.pipeline);
      coordinates.insert({mesh.replica_of(rank), mesh.stage_of(rank)});
      places.insert({mesh.group_of(rank), mesh.place_of(rank)});
      ASSERT_TRUE(mesh.ranks_of_group(mesh.group_of(rank)).contains(rank));
      ASSERT_EQ(mesh.ranks_of_group(mesh.group_of(rank)).begin + mesh.place_of(rank), rank);
    }
    ASSERT_EQ(coordinates.size(), static_cast<std::size_t>(mesh.ranks()));
    ASSERT_EQ(places.size(), static_cast<std::size_t>(mesh.ranks()));
    ASSERT_EQ(mesh.groups() * mesh.vocabulary, mesh.ranks());
  });
}

// Also where groups straddle replicas, and where there are fewer lanes than replicas.
TEST(Mesh, AGroupsReplicasAndLanesAreThoseOfItsRanks) {
  for_every_mesh(24, [](const Mesh& mesh) {
    for (const std::int64_t lanes : {0, 1, 3, 7, 40}) {
      std::int64_t next = 0;
      for (int replica = 0; replica < mesh.data; ++replica) {
        ASSERT_EQ(mesh.lanes_of_replica(lanes, replica).begin, next);
        next = mesh.lanes_of_replica(lanes, replica).end;
      }
      ASSERT_EQ(next, lanes);
      for (int group = 0; group < mesh.groups(); ++group) {
        std::set<int> replicas;
        std::set<std::int64_t> expected, found;
        const Range ranks = mesh.ranks_of_group(group);
        for (std::int64_t rank = ranks.begin; rank < ranks.end; ++rank) replicas.insert(mesh.replica_of(static_cast<int>(rank)));
        ASSERT_EQ(mesh.replicas_of_group(group), (Range{*replicas.begin(), *replicas.rbegin() + 1}));
        for (const int replica : replicas) {
          const Range part = mesh.lanes_of_replica(lanes, replica);
          for (std::int64_t lane = part.begin; lane < part.end; ++lane) expected.insert(lane);
        }
        const Range all = mesh.lanes_of_group(lanes, group);
        for (std::int64_t lane = all.begin; lane < all.end; ++lane) found.insert(lane);
        ASSERT_EQ(found, expected) << describe(mesh) << " lanes " << lanes << " group " << group;
      }
    }
  });
}

TEST(Mesh, AVocabularyLayoutSaysHowManyRanksShareACopy) {
  using Kind = VocabularyLayout::Kind;
  EXPECT_EQ(make_mesh(12, 0, 3, layout(Kind::replicated), 8), (Mesh{4, 3, 1}));
  EXPECT_EQ(make_mesh(12, 4, 3, layout(Kind::stages), 8), (Mesh{4, 3, 3}));
  EXPECT_EQ(make_mesh(12, 0, 3, layout(Kind::world), 8), (Mesh{4, 3, 12}));
  EXPECT_EQ(make_mesh(12, 0, 3, over(4), 8), (Mesh{4, 3, 4}));  // two of three groups straddle replicas
  EXPECT_EQ(describe(Mesh{2, 3, 6}), "2 replicas x 3 stages, the vocabulary over 6 ranks");
  EXPECT_EQ(describe(Mesh{1, 1, 1}), "1 replica x 1 stage, the vocabulary on every rank");
}

std::string refusal(int ranks, int data, int pipeline, const VocabularyLayout& vocabulary, std::int64_t levels) {
  try {
    make_mesh(ranks, data, pipeline, vocabulary, levels);
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "";
}

TEST(Mesh, ARefusalSaysWhichNumbersToChange) {
  EXPECT_THAT(refusal(8, 0, 5, {}, 4), HasSubstr("mesh.pipeline is 5, but the network has 4 levels"));
  EXPECT_THAT(refusal(8, 0, 5, {}, 4), HasSubstr("set mesh.pipeline to at most 4"));
  EXPECT_THAT(refusal(8, 0, 3, {}, 4), HasSubstr("start a multiple of 3 ranks, or set mesh.pipeline to one of 1, 2, 4, 8"));
  EXPECT_THAT(refusal(6, 2, 2, {}, 4), HasSubstr("which makes 4 ranks, but 6 are running"));
  EXPECT_THAT(refusal(6, 2, 2, {}, 4), HasSubstr("start 4 ranks, or set mesh.data=0"));
  EXPECT_THAT(refusal(6, 0, 2, over(4), 4), HasSubstr("set it to a number that divides the ranks: 1, 2, 3, 6"));
  EXPECT_THAT(refusal(6, 0, 2, over(12), 4), HasSubstr("mesh.vocabulary is 12, but 6 ranks are running"));
}

// What make_mesh accepts is what the rules say, for every small case; products beyond an int are refused, not wrapped.
TEST(Mesh, FitsExactlyWhereTheRulesSaySo) {
  for (int ranks = 1; ranks <= 13; ++ranks)
    for (int data = 0; data <= 14; ++data)
      for (int pipeline = 1; pipeline <= 14; ++pipeline)
        for (int vocabulary = 1; vocabulary <= 14; ++vocabulary)
          for (const std::int64_t levels : {1, 5, 13}) {
            const bool fits =
                pipeline <= levels && (data == 0 ? ranks % pipeline == 0 : data * pipeline == ranks) && ranks % vocabulary == 0;
            ASSERT_EQ(refusal(ranks, data, pipeline, over(vocabulary), levels).empty(), fits)
                << ranks << " " << data << " " << pipeline << " " << vocabulary << " " << levels;
          }
  EXPECT_NE(refusal(1, 1 << 17, 1 << 17, {}, 1 << 20), "");
}

}  // namespace
}  // namespace trellis
