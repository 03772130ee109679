#include "model/embedding.h"

#include "base/time_span.h"
#include "model/launch.h"

namespace trellis {

void embed(const at::Tensor& embedding, const at::Tensor& tokens, const DropoutMasks& masks, std::int64_t lanes, at::Tensor values) {
  const TimeSpan timed("embedding");
  expect_shape("embedded rows", values, {tokens.size(0), embedding.size(1)});
  const at::Tensor words = on_device(tokens, values.device());
  with_activation_type(values.scalar_type(), [&]<class A>() {
    using T = Compute<A>;
    const EmbeddingForward<A> args{.channels = embedding.size(1),
                                   .lanes = lanes,
                                   .tokens = words.const_data_ptr<std::int64_t>(),
                                   .table = const_data<T>(embedding),
                                   .word_mask = const_data<T>(masks.embedding_rows),
                                   .input_mask = const_data<T>(masks.input),
                                   .values = mutable_data<A>(values)};
    launch(values.device(), kernels_for<A>(values.device()).embedding_forward, args, {0, tokens.size(0)}, grain_for(embedding.size(1)));
  });
}

void embed_backward(const at::Tensor& d_values, const at::Tensor& tokens, const DropoutMasks& masks, std::int64_t lanes,
                    at::Tensor d_embedding) {
  const TimeSpan timed("embedding backward");
  const at::Tensor words = on_device(tokens, d_values.device());
  with_activation_type(d_values.scalar_type(), [&]<class A>() {
    using T = Compute<A>;
    const EmbeddingBackward<A> args{.channels = d_embedding.size(1),
                                    .lanes = lanes,
                                    .rows = tokens.size(0),
                                    .tokens = words.const_data_ptr<std::int64_t>(),
                                    .word_mask = const_data<T>(masks.embedding_rows),
                                    .input_mask = const_data<T>(masks.input),
                                    .d_values = const_data<A>(d_values),
                                    .d_table = mutable_data<T>(d_embedding)};
    launch(d_values.device(), kernels_for<A>(d_values.device()).embedding_backward, args, {0, d_embedding.size(1)},
           std::max<std::int64_t>(16, grain_for(tokens.size(0))));
  });
}

}  // namespace trellis
