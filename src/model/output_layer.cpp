#include "model/output_layer.h"

#include <algorithm>

#include "model/launch.h"
#include "model/mixture_of_softmaxes.h"
#include "model/tied_softmax.h"

namespace trellis {

std::unique_ptr<OutputLayer> make_output_layer(const TrellisShape& shape, std::int64_t rows, std::int64_t blocks, at::TensorOptions options) {
  if (shape.experts > 0) return std::make_unique<MixtureOfSoftmaxes>(shape, rows, options);
  return std::make_unique<TiedSoftmax>(shape, rows, blocks, options);
}

void expect_within_vocabulary(const at::Tensor& targets, std::int64_t vocabulary) {
  const std::int64_t* const words = targets.const_data_ptr<std::int64_t>();
  require(std::all_of(words, words + targets.numel(), [&](std::int64_t word) { return 0 <= word && word < vocabulary; }),
          "targets lie within the vocabulary");
}

void cross_entropy(const at::Tensor& logits, const at::Tensor& targets, const at::Tensor& loss, const at::Tensor& scale) {
  const std::int64_t classes = logits.size(1);
  with_element_type(logits.scalar_type(), [&]<class T>() {
    const CrossEntropy<T> args{.classes = classes,
                               .stride = classes,
                               .logits = logits.mutable_data_ptr<T>(),
                               .targets = targets.const_data_ptr<std::int64_t>(),
                               .loss = loss.mutable_data_ptr<double>(),
                               .scale = const_data<T>(scale)};
    launch(logits.device(), kernels_for<T>(logits.device()).cross_entropy, args, {0, logits.size(0)}, grain_for(4 * classes));
  });
}

}  // namespace trellis
