// An nn.LSTM's state in a file becomes a network's weights: names, layers and biases. That the network then is the LSTM,
// tests/model/lstm_equivalence_test.cpp shows.
#include "weights/lstm_weights.h"

#include "base/errors.h"
#include "tests/weights/weights_file_helpers.h"

namespace trellis {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing_support::error_of;

using Tensors = std::map<std::string, at::Tensor>;

Tensors lstm_of(std::int64_t layers, std::int64_t width, std::int64_t input, const std::string& prefix = "", bool biased = true) {
  Tensors tensors;
  double first = 1;
  const auto numbered = [&](at::IntArrayRef shape) {
    const at::Tensor values = at::arange(c10::multiply_integers(shape), at::kDouble).view(shape) + first;
    first += 1000;
    return values;
  };
  for (std::int64_t l = 0; l < layers; ++l) {
    const std::string end = "_l" + std::to_string(l);
    tensors[prefix + "weight_ih" + end] = numbered({4 * width, l == 0 ? input : width});
    tensors[prefix + "weight_hh" + end] = numbered({4 * width, width});
    if (!biased) continue;
    tensors[prefix + "bias_ih" + end] = numbered({4 * width});
    tensors[prefix + "bias_hh" + end] = numbered({4 * width});
  }
  return tensors;
}

TrellisShape shape() {
  TrellisShape shape;
  shape.levels = 5, shape.hidden = 6, shape.outputs = shape.embedding = 3, shape.vocabulary = 4, shape.weight_norm = false, shape.groups = 2;
  return shape;
}

class LstmWeights : public testing_support::WeightsFiles {
 protected:
  std::string refused(const Tensors& tensors) {
    const SafetensorsFile file = written(tensors);
    return error_of<DataError>([&] {
      lstm_size(file);
      Parameters weights(ParameterLayout(shape()), at::kDouble);
      read_lstm_weights(file, shape(), {}, weights);
    });
  }
};

TEST_F(LstmWeights, GoToTheirPlaces) {
  for (const bool biased : {true, false}) {
    Tensors tensors = lstm_of(2, 3, 3, biased ? "rnn." : "", biased);
    const SafetensorsFile file = written(tensors);
    const LstmSize size = lstm_size(file);
    EXPECT_THAT((std::vector{size.layers, size.width, size.input}), ElementsAre(2, 3, 3));
    Parameters weights(ParameterLayout(shape()), at::kDouble), expected(ParameterLayout(shape()), at::kDouble);
    weights.view("embedding").fill_(7);
    EXPECT_THAT(read_lstm_weights(file, shape(), {}, weights), ElementsAre("embedding", "decoder_bias"));
    EXPECT_EQ(weights.view("embedding").min().item<double>(), 7);
    const std::string prefix = biased ? "rnn." : "";
    std::vector<LstmLayer> layers;
    for (const std::string end : {"_l0", "_l1"}) {
      layers.push_back({tensors[prefix + "weight_ih" + end], tensors[prefix + "weight_hh" + end],
                        biased ? tensors[prefix + "bias_ih" + end] + tensors[prefix + "bias_hh" + end] : at::Tensor()});
    }
    assign_lstm(layers, expected);
    for (const char* const name : {"W1", "W2", "bias"}) EXPECT_TRUE(at::equal(weights.published(name), expected.published(name))) << name;
    // row 1 of the forget gate is PyTorch's second block and the fourth here; layer 1 begins at channel 3
    EXPECT_EQ(weights.published("W2")[3 * 6 + 3 + 1][3 + 2][0].item<double>(), tensors[prefix + "weight_hh_l1"][3 + 1][2].item<double>());
    EXPECT_EQ(weights.published("W2")[3 * 6 + 3 + 1][2][1].item<double>(), tensors[prefix + "weight_ih_l1"][3 + 1][2].item<double>());
  }
}

TEST_F(LstmWeights, ALanguageModelBringsItsEmbedding) {
  Tensors tensors = lstm_of(2, 3, 3, "rnn.");
  tensors["encoder.weight"] = at::arange(12, at::kFloat).view({4, 3});
  tensors["decoder.weight"] = tensors["encoder.weight"];
  Parameters weights(ParameterLayout(shape()), at::kDouble);
  EXPECT_THAT(read_lstm_weights(written(tensors), shape(), {}, weights), ElementsAre("decoder_bias"));
  EXPECT_TRUE(at::equal(weights.published("embedding"), tensors["encoder.weight"].to(at::kDouble)));
  tensors["decoder.weight"] = tensors["encoder.weight"] + 1;
  EXPECT_THAT(refused(tensors), AllOf(HasSubstr("\"encoder.weight\" and \"decoder.weight\" are one tensor"), HasSubstr("its embedding")));
}

TEST_F(LstmWeights, WhatHasNoEqualIsRefused) {
  Tensors tensors = lstm_of(2, 3, 3);
  tensors["weight_hr_l0"] = at::ones({3, 3});
  EXPECT_THAT(refused(tensors), HasSubstr("proj_size"));
  tensors = lstm_of(2, 3, 3);
  tensors["weight_ih_l0_reverse"] = at::ones({12, 3});
  EXPECT_THAT(refused(tensors), HasSubstr("both directions"));
  tensors = lstm_of(1, 3, 3, "one.");
  tensors.merge(lstm_of(1, 3, 3, "two."));
  EXPECT_THAT(refused(tensors), HasSubstr("more than one 'weight_ih_l0': \"one.weight_ih_l0\" and \"two.weight_ih_l0\""));
  EXPECT_THAT(refused({{"encoder.weight", at::ones({4, 3})}}), HasSubstr("there is no 'weight_ih_l0'"));
}

TEST_F(LstmWeights, WhatIsDamagedIsTold) {
  Tensors tensors = lstm_of(2, 3, 3);
  tensors.erase("weight_hh_l1");
  tensors.erase("bias_hh_l0");
  tensors["bias_ih_l1"] = at::ones({11});
  tensors["weight_ih_l7"] = at::ones({12, 3});
  EXPECT_THAT(refused(tensors), AllOf(HasSubstr("\"weight_hh_l1\" is missing"), HasSubstr("\"bias_hh_l0\" is missing"),
                                      HasSubstr("\"bias_ih_l1\" has the shape [11], expected [12]"), HasSubstr("\"weight_ih_l7\" is not of this network")));
  for (const std::vector<std::int64_t>& sizes : std::vector<std::vector<std::int64_t>>{{}, {12}, {12, 0}, {0, 3}, {13, 3}, {3, 3}, {12, 3, 1}}) {
    tensors = lstm_of(2, 3, 3);
    tensors["weight_hh_l0"] = at::ones(sizes);
    EXPECT_THAT(refused(tensors), HasSubstr("\"weight_hh_l0\" has the shape ["));
  }
}

}  // namespace
}  // namespace trellis
