#include "model/output_layer.h"

#include <algorithm>

#include "model/mixture_of_softmaxes.h"
#include "model/tied_softmax.h"

namespace trellis {

std::unique_ptr<OutputLayer> make_output_layer(const TrellisShape& shape, std::int64_t rows, const VocabularyShare& share, at::TensorOptions options) {
  if (shape.experts > 0) return std::make_unique<MixtureOfSoftmaxes>(shape, rows, share, options);
  return std::make_unique<TiedSoftmax>(shape, rows, share, options);
}

std::int64_t expect_loss_rows(const std::vector<LossRows>& blocks, std::int64_t channels, std::int64_t vocabulary, bool with_gradient) {
  std::int64_t all = 0;
  for (const LossRows& block : blocks) {
    const std::int64_t rows = block.hidden.size(0);
    expect_shape("outputs", block.hidden, {rows, channels});
    expect_shape("targets", block.targets, {rows});
    if (with_gradient) {
      expect_shape("gradient of the outputs", block.d_hidden, {rows, channels});
      expect_shape("scale", block.scale, {rows});
    }
    const std::int64_t* const words = block.targets.const_data_ptr<std::int64_t>();
    require(std::all_of(words, words + rows, [&](std::int64_t word) { return 0 <= word && word < vocabulary; }),
            "targets lie within the vocabulary");
    all += rows;
  }
  return all;
}

}  // namespace trellis
