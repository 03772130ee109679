// What the ranks of a mesh send each other in one step: formulas in bytes, and the list of all of it for one rank.
//
// Counted is what a rank has to send, by any algorithm that sends least:
//   send          the message
//   all_gather    this rank's part to each of the others:  (n - 1) * part
//   reduce_scatter  of `payload`, the sum's whole length:  (n - 1) / n * payload
//   all_reduce    the two after each other:            2 * (n - 1) / n * payload
//   broadcast     one rank's message to the others, which may pass it on: (n - 1) / n * payload, as a mean over the ranks
//   exchange      different rows to each other rank: the sum of what leaves
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "plan/loss_shares.h"
#include "plan/mesh.h"
#include "predict/run_numbers.h"

namespace trellis {

enum class Axis { pipeline, vocabulary, data };  // stages of a replica; ranks of a vocabulary group; copies and replicas
enum class Exchange { send, all_gather, reduce_scatter, all_reduce, broadcast, exchange };

struct Flow {
  std::string_view what;       // "h and c to the stage above"
  Axis axis = Axis::pipeline;
  Exchange kind = Exchange::send;
  int ranks = 1;               // that take part; of a send 2
  int distance = 1;            // from one of them to the next, in ranks: 1 for neighbours
  std::int64_t calls = 0;      // a step
  std::int64_t payload = 0;    // bytes of all calls: of all_gather this rank's part, otherwise the whole tensor
  std::int64_t sent() const;   // bytes that leave this rank, by the table above
};

// --- formulas; W and A are the bytes of weights and activations ---

// h and c of a boundary between two stages, and their gradients: 2 H a token and direction.
std::int64_t boundary_bytes(std::int64_t tokens, std::int64_t hidden, const ElementBytes& element);
// h and c of a replica's lanes, from the last stage to the others.
std::int64_t history_bytes(std::int64_t lanes, std::int64_t hidden, const ElementBytes& element);
// Rows of outputs (or of their gradient) that stage `stage` sends to other stages of its replica: outwards, those that it
// holds and others work for; back, the gradients of those that it works for and others hold.
struct DealtRows {
  std::int64_t out = 0, back = 0;  // rows
  std::int64_t messages = 0;       // of both
};
DealtRows dealt_rows(const std::vector<RowTransfer>& transfers, int stage);
// Three float64 a row and softmax in which the row takes part, of the rows of all ranks of a group.
std::int64_t softmax_number_bytes(std::int64_t row_products);
// Rows of E numbers that leave the rank at `place`, from the counts of plan_embedding_exchange: to others only.
std::int64_t embedding_bytes(std::span<const std::int64_t> counts, int place, std::int64_t embedding, std::int64_t element_bytes);
// The most that counts can be: every rank of a group needs a row for each distinct word of its replica's tokens, of which this
// rank owns its part. Words that leave a rank, to all others together.
std::int64_t most_embedding_rows(std::int64_t tokens_of_replica, std::int64_t vocabulary, int group);

// Everything one rank sends in a step, where nothing is known of its tokens (upper bound for the embedding). chunks: of time.
std::vector<Flow> traffic_of_rank(const RunNumbers& run, const Mesh& mesh, std::int64_t chunks, int rank);
// The same for a rank whose replica's transfers are known already.
std::vector<Flow> traffic_of_rank(const RunNumbers& run, const Mesh& mesh, std::int64_t chunks, int rank, const LossShares& shares,
                                  const std::vector<RowTransfer>& transfers);

// The most lanes that the replicas of a vocabulary group have.
std::int64_t most_lanes_of_group(const Mesh& mesh, std::int64_t lanes);
std::int64_t sent_bytes(const std::vector<Flow>& flows, Axis axis);
std::string_view name_of(Axis axis);

}  // namespace trellis
