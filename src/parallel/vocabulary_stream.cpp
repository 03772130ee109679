#include "parallel/vocabulary_stream.h"

#include <algorithm>
#include <span>
#include <vector>

#include "model/embedding.h"
#include "model/launch.h"
#include "plan/embedding_exchange.h"

namespace trellis {
namespace {

// Rows of one rank that are scored at once.
constexpr std::int64_t kRowsAtOnce = 1024;

}  // namespace

VocabularyStream::VocabularyStream(const MeshGroups& groups, const TrellisShape& shape, std::int64_t lanes, std::int64_t max_steps,
                                   at::TensorOptions options)
    : LanguageStream(shape, lanes, max_steps,
                     make_output_layer(shape, groups.mesh.vocabulary * std::min(lanes * max_steps, kRowsAtOnce), VocabularyShare::of(groups, shape), options),
                     options),
      groups_(groups),
      stripes_(VocabularyShare::of(groups, shape).stripes),
      lanes_(lanes),
      options_(options) {}

at::Tensor VocabularyStream::gathered(const at::Tensor& numbers) const {
  const at::Tensor own = on_device(numbers.contiguous(), options_.device());
  const at::Tensor all = at::empty({groups_.mesh.vocabulary * own.size(0)}, own.options());
  groups_.vocabulary.all_gather(all, own);
  return all.cpu();
}

void VocabularyStream::lookup(const at::Tensor& tokens, const at::Tensor& values) {
  const at::Tensor all = gathered(tokens);
  const auto count = static_cast<std::size_t>(tokens.size(0));
  std::vector<std::vector<std::int64_t>> words;
  for (int rank = 0; rank < groups_.mesh.vocabulary; ++rank) {
    words.push_back(distinct_words({all.const_data_ptr<std::int64_t>() + static_cast<std::size_t>(rank) * count, count}, stripes_));
  }
  const EmbeddingExchange exchange =
      plan_embedding_exchange(stripes_, words, groups_.mesh.place_of(groups_.rank), {tokens.const_data_ptr<std::int64_t>(), count});
  const at::Tensor embedding = weights().view("embedding");
  const at::Tensor send_rows = on_device(at::tensor(exchange.send_rows, at::kLong), options_.device());
  const at::Tensor table = at::empty({static_cast<std::int64_t>(exchange.words.size()), embedding.size(1)}, options_);
  groups_.vocabulary.all_to_all(table, embedding.index_select(0, send_rows), exchange.receive_counts, exchange.send_counts);
  embed(table, at::tensor(exchange.place_of_token, at::kLong), {}, lanes_, values);
}

at::Tensor VocabularyStream::losses(const at::Tensor& hidden, const at::Tensor& targets) {
  const std::int64_t rows = hidden.size(0), ranks = groups_.mesh.vocabulary, place = groups_.mesh.place_of(groups_.rank);
  const at::Tensor result = at::empty({rows}, options_.dtype(at::kDouble));
  for (std::int64_t row = 0; row < rows; row += kRowsAtOnce) {
    const std::int64_t count = std::min(kRowsAtOnce, rows - row);
    const at::Tensor own = hidden.narrow(0, row, count).contiguous(), all = at::empty({ranks * count, hidden.size(1)}, options_);
    groups_.vocabulary.all_gather(all, own);
    const at::Tensor of_all =
        output_layer().run(weights(), {{.hidden = all, .targets = gathered(targets.narrow(0, row, count))}}, nullptr, Accumulate::overwrite);
    result.narrow(0, row, count).copy_(of_all.narrow(0, place * count, count));
  }
  return result;
}

}  // namespace trellis
