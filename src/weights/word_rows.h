// Which row of somebody else's embedding is which word of a corpus: from a file of their words, one a line in the order of
// their rows. A word stands there as it is, or as the log of tokens writes it: \n for a newline (report/token_log.h).
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "corpus/vocabulary.h"

namespace trellis {

// Empty: their rows are in the corpus's order already.
class WordRows {
 public:
  WordRows() = default;
  // Throws MissingInputError, and DataError unless the file has the vocabulary's words, each once, and none crosses one of
  // `cutoffs`: an adaptive softmax divides the words by their rows.
  WordRows(const std::filesystem::path& path, const Vocabulary& vocabulary, const std::vector<std::int64_t>& cutoffs);

  bool empty() const { return rows_.empty(); }
  // What Vocabulary::hash() is of the words in their order. Only of rows that are not empty.
  const std::string& vocabulary_hash() const { return vocabulary_hash_; }

  // Rows of the corpus's words, [V, ...], from rows in their order.
  at::Tensor in_corpus_order(const at::Tensor& theirs) const;

 private:
  std::vector<std::int64_t> rows_;  // by word of the corpus: its row there
  std::string vocabulary_hash_;
};

}  // namespace trellis
