#include "train/normalised_input.h"

#include "model/launch.h"

namespace trellis {

NormalisedInput::NormalisedInput(const Normalisation& normalisation, at::TensorOptions options) {
  const at::Tensor share = at::arange(256, at::kDouble) / 255;  // of white
  const at::Tensor mean = at::tensor(normalisation.mean, at::kDouble), deviation = at::tensor(normalisation.deviation, at::kDouble);
  table_ = ((share.unsqueeze(0) - mean.unsqueeze(1)) / deviation.unsqueeze(1)).to(options.dtype()).contiguous();
  device_ = options.device();
}

LabelledSequences NormalisedInput::operator()(const SequenceBatch& batch) const {
  const std::int64_t rows = batch.steps * batch.lanes;
  at::Tensor input = at::empty({rows, batch.channels}, table_.options());
  with_element_type(input.scalar_type(), [&]<class T>() {
    const T* const table = table_.const_data_ptr<T>();
    T* const values = input.mutable_data_ptr<T>();
    for (std::int64_t row = 0; row < rows; ++row) {
      for (std::int64_t channel = 0; channel < batch.channels; ++channel) {
        const std::int64_t n = row * batch.channels + channel;
        values[n] = table[channel * 256 + batch.pixels[static_cast<std::size_t>(n)]];
      }
    }
  });
  const at::Tensor labels = at::from_blob(const_cast<std::int64_t*>(batch.labels.data()), {batch.lanes}, at::kLong);
  return {.lanes = batch.lanes, .input = on_device(input, device_), .labels = labels};
}

}  // namespace trellis
