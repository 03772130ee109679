#include "model/embedding.h"

#include "model/launch.h"

namespace trellis {

void embed(const at::Tensor& embedding, const at::Tensor& tokens, const DropoutMasks& masks, std::int64_t lanes, at::Tensor values) {
  expect_shape("embedded rows", values, {tokens.size(0), embedding.size(1)});
  with_element_type(embedding.scalar_type(), [&]<class T>() {
    const EmbeddingForward<T> args{.channels = embedding.size(1),
                                   .lanes = lanes,
                                   .tokens = tokens.const_data_ptr<std::int64_t>(),
                                   .table = embedding.const_data_ptr<T>(),
                                   .word_mask = data_or_null<T>(masks.embedding_rows),
                                   .input_mask = data_or_null<T>(masks.input),
                                   .values = values.mutable_data_ptr<T>()};
    launch(kernels_for<T>(values.device()).embedding_forward, args, {0, tokens.size(0)}, grain_for(embedding.size(1)));
  });
}

void embed_backward(const at::Tensor& d_values, const at::Tensor& tokens, const DropoutMasks& masks, std::int64_t lanes,
                    at::Tensor d_embedding) {
  with_element_type(d_values.scalar_type(), [&]<class T>() {
    const EmbeddingBackward<T> args{.channels = d_embedding.size(1),
                                    .lanes = lanes,
                                    .rows = tokens.size(0),
                                    .tokens = tokens.const_data_ptr<std::int64_t>(),
                                    .word_mask = data_or_null<T>(masks.embedding_rows),
                                    .input_mask = data_or_null<T>(masks.input),
                                    .d_values = d_values.const_data_ptr<T>(),
                                    .d_table = d_embedding.mutable_data_ptr<T>()};
    launch(kernels_for<T>(d_values.device()).embedding_backward, args, {0, d_embedding.size(1)},
           std::max<std::int64_t>(16, grain_for(tokens.size(0))));
  });
}

}  // namespace trellis
