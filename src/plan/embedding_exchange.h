// Which rows of the embedding travel between the ranks of a group for one window: every rank needs those of its tokens,
// each word once, and each row lies with its owner (plan/vocabulary_stripes.h). On the way back the gradients of the same
// rows go from those that used them to their owners. Every rank of the group makes the same plan from the same tokens, so
// nothing has to be asked. Integers only.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "plan/vocabulary_stripes.h"

namespace trellis {

// The words of some tokens, each once, ordered by owner, then by word.
std::vector<std::int64_t> distinct_words(std::span<const std::int64_t> tokens, const VocabularyStripes& stripes);

struct EmbeddingExchange {
  // What this rank's tokens need: `words` as above, and for each token the place of its word there.
  std::vector<std::int64_t> words;
  std::vector<std::int64_t> place_of_token;
  std::vector<std::int64_t> receive_counts;  // [ranks] words owned by each
  // What this rank owns of the others' words (and of its own): rows here, for rank 0 first.
  std::vector<std::int64_t> send_rows;
  std::vector<std::int64_t> send_counts;  // [ranks]
};

// words_of[r]: distinct_words of rank r's tokens; tokens: of the rank at `place`.
EmbeddingExchange plan_embedding_exchange(const VocabularyStripes& stripes, std::span<const std::vector<std::int64_t>> words_of, int place,
                                          std::span<const std::int64_t> tokens);

// Rows that the rank at `place` owns of the words in several lists, each once, rising.
std::vector<std::int64_t> owned_rows(const VocabularyStripes& stripes, int place, std::span<const std::vector<std::int64_t>> words_of);

// Whether the input side's gradient is summed over the copies of the vocabulary as rows: the softmax's, which is dense, is then
// under way while the levels' backward runs. Worth it where all copies' rows are fewer than the gradient's.
constexpr bool input_gradient_travels_as_rows(std::int64_t copies, std::int64_t tokens_of_group, std::int64_t stripe_rows) {
  return copies > 1 && copies * tokens_of_group < stripe_rows;
}

}  // namespace trellis
