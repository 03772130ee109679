#include "model/language_stream.h"

#include <utility>

#include "model/embedding.h"
#include "model/launch.h"

namespace trellis {

LanguageStream::LanguageStream(const TrellisShape& shape, std::int64_t lanes, std::int64_t max_steps, at::TensorOptions options)
    : LanguageStream(shape, lanes, max_steps, make_output_layer(shape, lanes * max_steps, VocabularyShare::whole(shape), options), options) {}

LanguageStream::LanguageStream(const TrellisShape& shape, std::int64_t lanes, std::int64_t max_steps, std::unique_ptr<OutputLayer> output_layer,
                               at::TensorOptions options)
    : shape_(shape), lanes_(lanes), options_(options), levels_(shape, lanes, max_steps, options), output_layer_(std::move(output_layer)) {}

void LanguageStream::use(const Parameters& weights) {
  weights_ = &weights;
  kernels_.compute(weights, {});
}

const Parameters& LanguageStream::weights() const {
  require(weights_ != nullptr, "a language stream needs weights before it is used");
  return *weights_;
}

History LanguageStream::zero_history() const {
  return {at::zeros({lanes_, shape_.hidden}, options_), at::zeros({lanes_, shape_.hidden}, options_)};
}

void LanguageStream::advance(const at::Tensor& tokens) {
  require(tokens.dim() == 1 && tokens.size(0) % lanes_ == 0 && tokens.is_contiguous(), "tokens are whole steps, one after another");
  const std::int64_t steps = tokens.size(0) / lanes_;
  lookup(tokens, levels_.embedded(steps));
  levels_.advance(steps, kernels_.kernels());
}

at::Tensor LanguageStream::negative_log_probabilities(const at::Tensor& targets) {
  const at::Tensor output = levels_.output();
  const std::int64_t rows = targets.size(0);
  require(rows <= output.size(0), "more targets than rows");
  return losses(output.narrow(0, output.size(0) - rows, rows), targets);
}

void LanguageStream::lookup(const at::Tensor& tokens, const at::Tensor& values) { embed(weights().view("embedding"), tokens, {}, lanes_, values); }

at::Tensor LanguageStream::losses(const at::Tensor& hidden, const at::Tensor& targets) {
  return output_layer_->run(weights(), {{.hidden = hidden, .targets = targets}}, nullptr, Accumulate::overwrite);
}

at::Tensor LanguageStream::log_probabilities() {
  const at::Tensor output = levels_.output();
  return output_layer_->log_probabilities(weights(), output.narrow(0, output.size(0) - lanes_, lanes_));
}

}  // namespace trellis
