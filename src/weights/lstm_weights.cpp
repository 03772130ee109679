#include "weights/lstm_weights.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/errors.h"
#include "weights/published_weights.h"

namespace trellis {
namespace {

using checkpoint::shown;

constexpr std::string_view kLowest = "weight_ih_l0";

// What stands before weight_ih_l0.
std::string prefix_of(const SafetensorsFile& file) {
  std::vector<std::string> prefixes;
  for (const SafetensorsTensor& tensor : file.tensors()) {
    if (!tensor.name.ends_with(kLowest)) continue;
    const std::string prefix = tensor.name.substr(0, tensor.name.size() - kLowest.size());
    if (prefix.empty() || prefix.ends_with('.')) prefixes.push_back(prefix);
  }
  if (prefixes.size() == 1) return prefixes.front();
  throw DataError(prefixes.empty() ? fmt::format("there is no '{}'", kLowest)
                                   : fmt::format("there is more than one '{}': {} and {}", kLowest, shown(prefixes[0] + std::string(kLowest)),
                                                 shown(prefixes[1] + std::string(kLowest))),
                  file.path().string(), "give the state of one nn.LSTM; one of several layers has all of them under one prefix");
}

std::string name(const std::string& prefix, const char* which, std::int64_t layer) { return fmt::format("{}{}_l{}", prefix, which, layer); }

}  // namespace

LstmSize lstm_size(const SafetensorsFile& file) {
  const std::string prefix = prefix_of(file), where = file.path().string();
  for (const SafetensorsTensor& tensor : file.tensors()) {
    if (!tensor.name.starts_with(prefix)) continue;
    const std::string_view rest = std::string_view(tensor.name).substr(prefix.size());
    if (rest.starts_with("weight_hr_l")) {
      throw DataError(fmt::format("{}: this LSTM projects its state (proj_size), for which a trellis network has no equal", shown(tensor.name)), where,
                      "give an LSTM without proj_size");
    }
    if (rest.starts_with("weight_") && rest.ends_with("_reverse")) {
      throw DataError(fmt::format("{}: this LSTM reads in both directions, a trellis network in one", shown(tensor.name)), where,
                      "give an LSTM that is not bidirectional");
    }
  }
  LstmSize size;
  while (file.contains(name(prefix, "weight_ih", size.layers))) ++size.layers;
  const auto matrix = [&](const char* which) -> const SafetensorsTensor& {
    const SafetensorsTensor& tensor = file.tensor(name(prefix, which, 0));
    if (tensor.shape.size() == 2 && tensor.shape[1] >= 1) return tensor;
    throw DataError(fmt::format("{} has the shape [{}], expected a matrix", shown(tensor.name), fmt::join(tensor.shape, ", ")), where,
                    "give the state of an nn.LSTM");
  };
  size.width = matrix("weight_hh").shape[1], size.input = matrix("weight_ih").shape[1];
  if (const auto& shape = matrix("weight_hh").shape; shape[0] % 4 != 0 || shape[0] / 4 != size.width) {
    throw DataError(fmt::format("{} has the shape [{}], expected four rows for each column: input, forget, candidate and output gate",
                                shown(name(prefix, "weight_hh", 0)), fmt::join(shape, ", ")),
                    where, "give the state of an nn.LSTM");
  }
  return size;
}

std::vector<std::string> read_lstm_weights(const SafetensorsFile& file, const TrellisShape& shape, const WordRows& words, Parameters& weights) {
  const std::string prefix = prefix_of(file);
  const LstmSize size = lstm_size(file);
  const bool biased = std::any_of(file.tensors().begin(), file.tensors().end(), [&](const SafetensorsTensor& tensor) {
    return tensor.name.starts_with(prefix + "bias_ih_l") || tensor.name.starts_with(prefix + "bias_hh_l");
  });
  WeightsReader reader(file, weights.flat().scalar_type());
  std::vector<LstmLayer> layers;
  for (std::int64_t l = 0; l < size.layers; ++l) {
    const std::int64_t rows = 4 * size.width;
    LstmLayer layer{.input_weight = reader.take({name(prefix, "weight_ih", l)}, {rows, l == 0 ? size.input : size.width}),
                    .hidden_weight = reader.take({name(prefix, "weight_hh", l)}, {rows, size.width}),
                    .bias = {}};
    if (biased) {
      const at::Tensor of_input = reader.take({name(prefix, "bias_ih", l)}, {rows}), of_hidden = reader.take({name(prefix, "bias_hh", l)}, {rows});
      if (of_input.defined() && of_hidden.defined()) layer.bias = of_input + of_hidden;
    }
    layers.push_back(std::move(layer));
  }
  std::vector<std::string> absent;
  for (const PublishedNames& names : published_names(shape)) {
    if (names.parameter == "W1" || names.parameter == "W2" || names.parameter == "bias") continue;
    if (!take_published(reader, names, WeightsReader::Need::optional, words, weights)) absent.push_back(names.parameter);
  }
  reader.finish("give the state of an nn.LSTM, and beside it what docs/weights.md names; the decoder of a language model here is its embedding");
  assign_lstm(layers, weights);
  return absent;
}

}  // namespace trellis
