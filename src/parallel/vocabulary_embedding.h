// The embedding as an input, when its rows lie with the ranks of a vocabulary group: every rank fetches the rows of its
// replica's tokens, each word once, and sends their gradients back to the owners (plan/embedding_exchange.h). Then the sum over
// the groups, of which each has a copy: with the softmax's gradient, or as rows after it.
//
// All ranks know the tokens of their group (of all lanes, where rows travel between groups), so nobody has to ask for rows or
// numbers of them. Every owner adds what comes in rank order.
#pragma once

#include <vector>

#include "comm/mesh_groups.h"
#include "model/dropout.h"
#include "model/parameters.h"
#include "parallel/window_lanes.h"
#include "plan/embedding_exchange.h"

namespace trellis {

class VocabularyEmbedding {
 public:
  // groups must outlive this. all_lanes: of all replicas; max_steps: the longest window.
  VocabularyEmbedding(const MeshGroups& groups, const VocabularyStripes& stripes, std::int64_t all_lanes, std::int64_t max_steps,
                      at::TensorOptions options);

  // The lanes whose tokens this rank has to know.
  Range lanes() const { return lanes_; }
  // Whether the gradient of the input side can be summed over the copies as rows, by add_rows, after the softmax's; otherwise
  // `backward` adds it to the softmax's before both are summed.
  bool travels_as_rows() const { return rows_travel_; }

  // tokens: [steps * lanes()].
  void begin_window(const at::Tensor& tokens, std::int64_t steps);
  // Collective in the group. values [steps * replica's lanes, E], masked, perhaps of a narrower type.
  void lookup(const Parameters& weights, const DropoutMasks& masks, const at::Tensor& values);
  // Collective in the group. Adds the gradient to that of this rank's rows, or keeps it for add_rows.
  void backward(const at::Tensor& d_values, const DropoutMasks& masks, Parameters& gradients, bool keep_rows);
  // Collective over the copies: adds what `backward` kept, of all copies, if it did.
  void add_rows(Parameters& gradients);

 private:
  bool all_here() const { return stripes_.ranks() == 1; }
  Range own_lanes() const;
  DropoutMasks compact(const DropoutMasks& masks) const;

  const MeshGroups& groups_;
  VocabularyStripes stripes_;
  std::int64_t all_lanes_;
  bool rows_travel_;
  Range lanes_;
  at::TensorOptions options_;

  at::Tensor tokens_;  // of this replica
  EmbeddingExchange exchange_;
  at::Tensor words_, places_, send_rows_;               // of exchange_, words_ and send_rows_ on the device
  std::vector<std::vector<std::int64_t>> rows_of_copy_;  // that each copy's group has a gradient of, at this place
  at::Tensor kept_;                                     // [rows of this copy, E]
};

}  // namespace trellis
