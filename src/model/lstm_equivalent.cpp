#include "model/lstm_equivalent.h"

#include <fmt/format.h>

#include <string>

#include "base/errors.h"

namespace trellis {

void expect_lstm_shape(const TrellisShape& shape, const LstmSize& size, std::int64_t window) {
  std::vector<std::string> wrong, needed;
  const auto expect = [&](const std::string& name, bool fits, const auto& is, const auto& must) {
    if (fits) return;
    wrong.push_back(fmt::format("{} is {}, but must be {}", name, is, must));
    needed.push_back(fmt::format("{}={}", name, must));
  };
  expect("model.hidden", shape.hidden == size.layers * size.width, shape.hidden, size.layers * size.width);
  expect("model.outputs", shape.outputs == size.width, shape.outputs, size.width);
  expect("model.embedding", shape.embedding == size.input, shape.embedding, size.input);
  expect("model.weight_norm", !shape.weight_norm, shape.weight_norm, false);
  expect("model.injection_every", shape.injection_every == 1, shape.injection_every, 1);
  expect("model.dilations", shape.dilations == std::vector<std::int64_t>{1}, fmt::format("{}", fmt::join(shape.dilations, ",")), 1);
  // groups that the layers fill evenly, or none
  expect("model.groups", shape.groups == 0 || shape.groups == size.layers, shape.groups, size.layers);
  const std::int64_t least = window + size.layers - 1;
  if (shape.levels < least) {
    wrong.push_back(fmt::format("model.levels is {}, but must be at least {}: the window's {} steps and one for each layer above the lowest", shape.levels,
                                least, window));
    needed.push_back(fmt::format("model.levels={}", least));
  }
  if (wrong.empty()) return;
  throw ConfigError(fmt::format("this network cannot equal an LSTM of {} layer(s) of width {} with inputs of width {}:\n    {}", size.layers, size.width,
                                size.input, fmt::join(wrong, "\n    ")),
                    "section [model]", fmt::format("set {}", fmt::join(needed, " ")));
}

void assign_lstm(const std::vector<LstmLayer>& layers, Parameters& weights) {
  const ParameterInfo& input_info = weights.layout().find("W1");
  const ParameterInfo& hidden_info = weights.layout().find("W2");
  const auto L = static_cast<std::int64_t>(layers.size()), H = hidden_info.published[1], d = H / L;
  const std::int64_t p = input_info.published[1], k = input_info.published[2], earlier = k - 2, now = k - 1;  // taps
  const at::Tensor order = at::tensor({0, 3, 2, 1});  // input, output, candidate, forget of input, forget, candidate, output
  const auto gates = [&](const at::Tensor& rows) { return rows.reshape({4, d, -1}).index_select(0, order); };

  const at::TensorOptions options = weights.flat().options();
  const at::Tensor input = at::zeros({4, L, d, p, k}, options), hidden = at::zeros({4, L, d, L, d, k}, options), bias = at::zeros({4, L, d, 1}, options);
  for (std::int64_t l = 0; l < L; ++l) {
    const LstmLayer& layer = layers[static_cast<std::size_t>(l)];
    const at::Tensor rows = hidden.select(1, l);  // [4, d, L, d, k]
    rows.select(2, l).select(3, earlier).copy_(gates(layer.hidden_weight));
    (l == 0 ? input.select(1, 0).select(3, now) : rows.select(2, l - 1).select(3, now)).copy_(gates(layer.input_weight));
    if (layer.bias.defined()) bias.select(1, l).copy_(gates(layer.bias));
  }
  weights.assign("W1", input.view(input_info.published));
  weights.assign("W2", hidden.view(hidden_info.published));
  weights.assign("bias", bias.view({4 * H}));
}

}  // namespace trellis
