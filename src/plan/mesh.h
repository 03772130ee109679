// How a run's ranks share its work: world = data x pipeline ranks, rank = replica * pipeline + stage.
//
//   data        replicas of the network; the lanes of the batch are split over them
//   pipeline    stages of a replica; the levels are split over them, and chunks of time flow through
//   vocabulary  consecutive ranks that hold one copy of the embedding and the softmax together: a group. It lies over the
//               same ranks, it is no third axis. Groups may be smaller or larger than a replica, or straddle two.
//
// Integers only.
#pragma once

#include <cstdint>
#include <string>

#include "plan/shard_range.h"

namespace trellis {

struct Mesh {
  int data = 1, pipeline = 1, vocabulary = 1;

  int ranks() const { return data * pipeline; }
  int replica_of(int rank) const { return rank / pipeline; }
  int stage_of(int rank) const { return rank % pipeline; }
  int rank_of(int replica, int stage) const { return replica * pipeline + stage; }

  int groups() const { return ranks() / vocabulary; }  // copies of the vocabulary
  int group_of(int rank) const { return rank / vocabulary; }
  int place_of(int rank) const { return rank % vocabulary; }
  Range ranks_of_group(int group) const { return {std::int64_t{group} * vocabulary, std::int64_t{group + 1} * vocabulary}; }
  // Replicas that at least one rank of the group belongs to.
  Range replicas_of_group(int group) const {
    return {group * vocabulary / pipeline, ((group + 1) * vocabulary - 1) / pipeline + 1};
  }
  // Lanes of a replica, and of the replicas of a group, which are neighbours.
  Range lanes_of_replica(std::int64_t lanes, int replica) const { return shard_range(lanes, data, replica); }
  Range lanes_of_group(std::int64_t lanes, int group) const {
    const Range replicas = replicas_of_group(group);
    return {lanes_of_replica(lanes, static_cast<int>(replicas.begin)).begin,
            lanes_of_replica(lanes, static_cast<int>(replicas.end) - 1).end};
  }
  bool operator==(const Mesh&) const = default;
};

// What mesh.vocabulary says.
struct VocabularyLayout {
  enum class Kind { replicated, stages, world, ranks } kind = Kind::replicated;
  int ranks = 1;  // of Kind::ranks
  bool operator==(const VocabularyLayout&) const = default;
};

// The mesh of a run of `ranks` ranks; data = 0: as many replicas as fit. Throws ConfigError saying which numbers to change
// when pipeline or data do not divide the ranks, when their product is not their number, when there are more stages than
// levels, or when the vocabulary's ranks do not divide them.
Mesh make_mesh(int ranks, int data, int pipeline, const VocabularyLayout& vocabulary, std::int64_t levels);

// "2 replicas x 3 stages, the vocabulary over 6 ranks"
std::string describe(const Mesh& mesh);

}  // namespace trellis
