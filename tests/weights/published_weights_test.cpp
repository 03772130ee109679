// Weights under the authors' names: out and in again for every kind of network, and what is said about a file that does not
// fit. That the names and the order of rows are theirs is what parity --weights shows (tests/parity/parity_published_test.cpp).
#include "weights/published_weights.h"

#include "base/errors.h"
#include "tests/weights/weights_file_helpers.h"

namespace trellis {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::UnorderedElementsAre;
using testing_support::error_of;

using Tensors = std::map<std::string, at::Tensor>;

TrellisShape plain() {
  TrellisShape shape;
  shape.levels = 2, shape.hidden = 12, shape.outputs = shape.embedding = 4, shape.vocabulary = 9, shape.weight_norm = false;
  return shape;
}

std::vector<TrellisShape> every_kind() {
  std::vector<TrellisShape> kinds(5, plain());
  kinds[1].weight_norm = true, kinds[1].cutoffs = {2, 5, 7}, kinds[1].kernel = 3;
  kinds[2].experts = 3, kinds[2].embedding = 5;
  kinds[3].groups = 3;
  kinds[4].classifier = true, kinds[4].embedding = 2;
  return kinds;
}

Parameters numbered(const TrellisShape& shape, at::ScalarType type = at::kDouble) {
  Parameters weights(ParameterLayout(shape), type);
  for (const ParameterInfo& info : weights.layout().parameters()) {
    at::Tensor values = at::arange(info.count, at::kDouble).view(info.shape) + 1 + 1000.0 * static_cast<double>(info.offset);
    weights.view(info.name).copy_(values);
    // through the published shape, which leaves out what mixed groups have no place for
    weights.assign(info.name, weights.published(info.name).clone());
  }
  return weights;
}

class PublishedWeights : public testing_support::WeightsFiles {
 protected:
  // A good file of the network, as a table.
  Tensors tensors_of(const TrellisShape& shape) {
    const Parameters weights = numbered(shape);
    Tensors tensors;
    for (const PublishedNames& names : published_names(shape)) {
      for (const std::string& name : names.tied) tensors[name] = weights.published(names.parameter).clone();
    }
    return tensors;
  }
  Parameters read(const SafetensorsFile& file, const TrellisShape& shape, const WordRows& words = {}, at::ScalarType type = at::kDouble) {
    Parameters weights(ParameterLayout(shape), type);
    read_published_weights(file, shape, words, weights);
    return weights;
  }
  std::string refused(const Tensors& tensors, const TrellisShape& shape) {
    const SafetensorsFile file = written(tensors);
    return error_of<DataError>([&] { read(file, shape); });
  }
};

TEST_F(PublishedWeights, ComeBackBitForBit) {
  int n = 0;
  for (const TrellisShape& shape : every_kind()) {
    for (const at::ScalarType type : {at::kDouble, at::kFloat}) {
      const Parameters weights = numbered(shape, type);
      const auto path = folder_ / ("network" + std::to_string(n++));
      write_published_weights(path, shape, weights, {{"format", "pt"}});
      const SafetensorsFile file = SafetensorsFile::open(path);
      EXPECT_EQ(file.metadata().at("format"), "pt");
      EXPECT_TRUE(at::equal(read(file, shape, {}, type).flat(), weights.flat()));
    }
  }
}

// Once, under the first of its names; the metadata say which the others are.
TEST_F(PublishedWeights, AreWrittenOnce) {
  for (const TrellisShape& shape : every_kind()) {
    const auto path = folder_ / std::to_string(files_++);
    write_published_weights(path, shape, numbered(shape), {{"format", "pt"}});
    const SafetensorsFile file = SafetensorsFile::open(path);
    const auto names = published_names(shape);
    EXPECT_EQ(file.tensors().size(), names.size());
    for (const PublishedNames& parameter : names) {
      EXPECT_TRUE(file.contains(parameter.tied.front()));
      for (std::size_t n = 1; n < parameter.tied.size(); ++n) EXPECT_EQ(file.metadata().at(parameter.tied[n]), parameter.tied.front());
    }
  }
}

TEST_F(PublishedWeights, HaveTheAuthorsNames) {
  const auto names_of = [](const TrellisShape& shape) {
    std::vector<std::string> all;
    for (const PublishedNames& names : published_names(shape)) all.insert(all.end(), names.tied.begin(), names.tied.end());
    return all;
  };
  const auto kinds = every_kind();
  EXPECT_THAT(names_of(kinds[0]), UnorderedElementsAre("encoder.weight", "decoder.weight", "decoder.bias", "tnet.module.full_conv.weight1_raw",
                                                       "tnet.module.full_conv.weight2_raw", "tnet.module.full_conv.bias2", "network.0.module.full_conv.weight1_raw",
                                                       "network.0.module.full_conv.weight2_raw", "network.0.module.full_conv.bias2"));
  EXPECT_THAT(names_of(kinds[1]), AllOf(testing::Contains("tnet.module.full_conv.weight1_v_raw"), testing::Contains("network.0.module.full_conv.weight2_g"),
                                        testing::Contains("criterion.tail_vectors"), testing::Contains("criterion.tail_bias")));
  EXPECT_THAT(names_of(kinds[2]), AllOf(testing::Contains("mixsoft.prior.weight"), testing::Contains("network.1.latent.bias"),
                                        testing::Contains("network.1.decoder.weight")));
  EXPECT_THAT(names_of(kinds[4]), UnorderedElementsAre("linear.weight", "linear.bias", "network.0.module.full_conv.weight1_raw",
                                                       "network.0.module.full_conv.weight2_raw", "network.0.module.full_conv.bias2"));
}

TEST_F(PublishedWeights, TheLastRowOfTheTailsIsTheFirstCluster) {
  const TrellisShape shape = every_kind()[1];
  Tensors tensors = tensors_of(shape);
  tensors["criterion.tail_bias"] = at::tensor({30.0, 20.0, 10.0});
  const Parameters weights = read(written(tensors), shape);
  EXPECT_TRUE(at::equal(weights.published("cluster_bias"), at::tensor({10.0, 20.0, 30.0})));
  EXPECT_TRUE(at::equal(weights.published("cluster_weight"), tensors["criterion.tail_vectors"].flip(0)));
}

TEST_F(PublishedWeights, AnyOfATensorsNamesWillDoAndAnyTypeOfNumbers) {
  const TrellisShape shape = plain();
  Tensors tensors = tensors_of(shape);
  const Parameters all = read(written(tensors), shape);
  for (const char* const name : {"decoder.weight", "tnet.module.full_conv.weight1_raw", "network.0.module.full_conv.bias2"}) tensors.erase(name);
  EXPECT_TRUE(at::equal(read(written(tensors), shape).flat(), all.flat()));
  // as it is without the wrapper for weight dropout
  tensors["network.0.full_conv.weight1"] = tensors["network.0.module.full_conv.weight1_raw"];
  tensors.erase("network.0.module.full_conv.weight1_raw");
  EXPECT_TRUE(at::equal(read(written(tensors), shape).flat(), all.flat()));
  for (const at::ScalarType type : {at::kFloat, at::kHalf, at::kBFloat16}) {
    tensors["decoder.bias"] = (at::arange(9) / 4).to(type);
    EXPECT_TRUE(at::equal(read(written(tensors), shape).published("decoder_bias"), at::arange(9).to(at::kDouble) / 4));
  }
}

TEST_F(PublishedWeights, EverythingThatIsWrongIsToldAtOnce) {
  const TrellisShape shape = plain();
  Tensors tensors = tensors_of(shape);
  tensors["decoder.weight"] = tensors["encoder.weight"].clone();
  tensors["decoder.weight"][3][1] += 1e-9;
  tensors["tnet.module.full_conv.weight1_raw"] = at::ones({48, 2, 4}, at::kDouble);
  tensors["network.0.module.full_conv.bias2"] = at::ones({48}, at::kLong);
  tensors.erase("decoder.bias");
  tensors["optimizer.lr"] = at::ones({1}, at::kFloat);
  const std::string text = refused(tensors, shape);
  EXPECT_THAT(text, AllOf(HasSubstr("\"encoder.weight\" and \"decoder.weight\" are one tensor, but 1 of 36 values differ"),
                          HasSubstr("\"tnet.module.full_conv.weight1_raw\" has the shape [48, 2, 4], expected [48, 4, 2]"),
                          HasSubstr("\"network.0.module.full_conv.bias2\" is of type I64, expected F64, F32, F16 or BF16"),
                          HasSubstr("\"decoder.bias\" is missing"), HasSubstr("\"optimizer.lr\" is not of this network")));
}

TEST_F(PublishedWeights, ShapesThatNoNetworkHasTakeNoMemory) {
  const TrellisShape shape = plain();
  for (const std::vector<std::int64_t>& sizes : std::vector<std::vector<std::int64_t>>{{}, {0}, {9, 0}, {9, 4, 1}, std::vector<std::int64_t>(64, 1)}) {
    Tensors tensors = tensors_of(shape);
    tensors["encoder.weight"] = at::ones(sizes, at::kDouble);
    EXPECT_THAT(refused(tensors, shape), HasSubstr("\"encoder.weight\" has the shape ["));
  }
  // 2^56 columns of no row
  const std::string header = R"({"encoder.weight":{"dtype":"F64","shape":[0,72057594037927936],"data_offsets":[0,0]}})";
  std::string length(8, '\0');
  length[0] = static_cast<char>(header.size());
  const SafetensorsFile file = SafetensorsFile::open(text_file(length + header));
  EXPECT_THAT(error_of<DataError>([&] { read(file, shape); }), HasSubstr("has the shape [0, 72057594037927936], expected [9, 4]"));
}

TEST_F(PublishedWeights, LongListsAreCut) {
  const TrellisShape shape = plain();
  Tensors tensors = tensors_of(shape);
  for (int n = 0; n < 50; ++n) tensors["extra." + std::to_string(n)] = at::ones({1});
  EXPECT_THAT(refused(tensors, shape), AllOf(HasSubstr("and 30 more"), HasSubstr("extra.0"), Not(HasSubstr("extra.9"))));
}

TEST_F(PublishedWeights, SaysWhichSettingsTheFileWouldFit) {
  TrellisShape larger = plain();
  larger.hidden = 16, larger.outputs = larger.embedding = 6, larger.vocabulary = 11, larger.weight_norm = true;
  EXPECT_THAT(refused(tensors_of(larger), plain()), HasSubstr("network with model.hidden=16, model.embedding=6, model.outputs=6, model.weight_norm=true, a "
                                                             "vocabulary of 11 words instead of 9"));
  const auto kinds = every_kind();
  EXPECT_THAT(refused(tensors_of(kinds[2]), plain()), HasSubstr("model.embedding=5, model.experts=3"));
  EXPECT_THAT(refused(tensors_of(kinds[4]), plain()), HasSubstr("model.task=classifier"));
  EXPECT_THAT(refused(tensors_of(kinds[1]), plain()), AllOf(HasSubstr("model.kernel=3"), HasSubstr("3 model.cutoffs")));
}

TEST_F(PublishedWeights, ValuesThatTheNetworkHasNoUseForAreRefused) {
  const auto both = [](Tensors& tensors, const std::string& name, const std::function<void(at::Tensor)>& spoil) {
    for (const char* const trellis : {"tnet", "network.0"}) spoil(tensors[std::string(trellis) + ".module.full_conv." + name]);
  };
  const TrellisShape grouped = every_kind()[3], normalised = every_kind()[1];
  Tensors tensors = tensors_of(grouped);
  both(tensors, "weight2_raw", [](at::Tensor t) { t[0][11][0] = 1e-30; });  // first group from the last one
  EXPECT_THAT(refused(tensors, grouped), HasSubstr("\"tnet.module.full_conv.weight2_raw\" has 1 weights that are not zero where a mixed group"));
  tensors = tensors_of(grouped);
  both(tensors, "weight2_raw", [](at::Tensor t) { t[0][0][1] = 1; });  // first group, the step at hand
  EXPECT_THAT(refused(tensors, grouped), HasSubstr("has 1 weights that are not zero"));

  tensors = tensors_of(normalised);
  both(tensors, "weight1_v_raw", [](at::Tensor t) { t[7].zero_(); });
  EXPECT_THAT(refused(tensors, normalised), HasSubstr("\"tnet.module.full_conv.weight1_v_raw\" has 1 rows that are zero"));

  tensors = tensors_of(plain());
  tensors["decoder.bias"][2] = std::numeric_limits<double>::quiet_NaN();
  EXPECT_THAT(refused(tensors, plain()), HasSubstr("\"decoder.bias\" holds 1 value(s) that are not finite"));
  tensors["decoder.bias"][2] = 1e200;
  const SafetensorsFile file = written(tensors);
  EXPECT_THAT(error_of<DataError>([&] { read(file, plain(), {}, at::kFloat); }), HasSubstr("1 value(s) that are not finite as float32"));
}

Vocabulary vocabulary() {
  return Vocabulary(Unit::word, {{"a", 9}, {"b", 8}, {"c", 7}, {"d", 6}, {"e", 5}, {"f", 4}, {"\\", 3}, {"two\nlines", 2}, {"h", 1}});
}

TEST_F(PublishedWeights, RowsAreBroughtIntoTheOrderOfTheCorpus) {
  const TrellisShape shape = plain();
  const Tensors tensors = tensors_of(shape);
  const WordRows words(text_file("h\nb\ntwo\\nlines\na\nd\nc\nf\n\\\\\ne\n"), vocabulary(), {});
  const at::Tensor order = at::tensor({3, 1, 5, 4, 8, 6, 7, 2, 0});
  const Parameters weights = read(written(tensors), shape, words);
  EXPECT_TRUE(at::equal(weights.published("embedding"), tensors.at("encoder.weight").index_select(0, order)));
  EXPECT_TRUE(at::equal(weights.published("decoder_bias"), tensors.at("decoder.bias").index_select(0, order)));
  EXPECT_TRUE(at::equal(weights.published("W1"), tensors.at("tnet.module.full_conv.weight1_raw")));
}

TEST_F(PublishedWeights, AnotherVocabularyIsRefused) {
  const auto refused_words = [&](const std::string& text, const std::vector<std::int64_t>& cutoffs = {}) {
    return error_of<DataError>([&] { WordRows(text_file(text), vocabulary(), cutoffs); });
  };
  const std::string good = "a\nb\nc\nd\ne\nf\n\\\ntwo\\nlines\nh";
  WordRows(text_file(good), vocabulary(), {2, 5});
  EXPECT_THAT(refused_words(good + "\nnew\n"), AllOf(HasSubstr("\"new\" is not in the corpus's vocabulary"), HasSubstr(":10")));
  EXPECT_THAT(refused_words("b\na\nb\n"), AllOf(HasSubstr("\"b\" is in line 1, too"), HasSubstr(":3")));
  EXPECT_THAT(refused_words("a\nb\n"), HasSubstr("2 words, but the corpus's vocabulary has 9: \"c\" is not among them"));
  EXPECT_THAT(refused_words(""), HasSubstr("0 words, but the corpus's vocabulary has 9"));
  EXPECT_THAT(refused_words("a\n\nb\n"), HasSubstr("\"\" is not in"));
  // b and c change places across the cutoff, d and e within a cluster
  EXPECT_THAT(refused_words("a\nc\nb\ne\nd\nf\n\\\ntwo\\nlines\nh", {2, 5}), HasSubstr("2 words are in another cluster"));
  EXPECT_THROW(WordRows(folder_ / "none", vocabulary(), {}), MissingInputError);
}

TEST_F(PublishedWeights, RowsSayWhichVocabularyTheyWouldBe) {
  const std::string own = "a\nb\nc\nd\ne\nf\n\\\ntwo\\nlines\nh\n";
  EXPECT_EQ(WordRows(text_file(own), vocabulary(), {}).vocabulary_hash(), vocabulary().hash());
  const Vocabulary other(Unit::word, {{"b", 9}, {"a", 8}, {"c", 7}, {"d", 6}, {"e", 5}, {"f", 4}, {"\\", 3}, {"two\nlines", 2}, {"h", 1}});
  EXPECT_EQ(WordRows(text_file("b\na\n" + own.substr(4)), vocabulary(), {}).vocabulary_hash(), other.hash());
  EXPECT_TRUE(WordRows().empty());
}

}  // namespace
}  // namespace trellis
