// Weights and the network that they are of: what an export says of itself, and what takes it and what does not.
#include "trainer/known_network.h"

#include "base/errors.h"
#include "config/settings_io.h"
#include "tests/weights/weights_file_helpers.h"
#include "train/from_settings.h"
#include "weights/published_weights.h"

namespace trellis {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing_support::error_of;
using Words = std::vector<std::string>;

constexpr std::int64_t kWords = 9;

json text_identity(const std::string& hash = "0123", const std::string& train = "4567") {
  return {{"kind", "text"}, {"words", kWords}, {"hash", hash}, {"splits", {{"train", train}, {"valid", "89ab"}}}};
}
json sequence_identity(double mean = 0.1307) {
  return {{"kind", "sequences"}, {"steps", 6}, {"channels", 2}, {"classes", 4}, {"mean", {mean, 0.5}}, {"deviation", {0.5, 0.25}}};
}

struct Network {
  const char* name;
  Words words;
  json data = text_identity();

  Settings settings() const {
    Words all{"model.levels=3", "model.hidden=12", "model.outputs=4", "model.embedding=4"};
    all.insert(all.end(), words.begin(), words.end());
    return load_settings({}, all).settings;
  }
  TakingNetwork taking() const { return {.settings = settings(), .data = data}; }
  TrellisShape shape() const { return shape_from(settings(), kWords); }
};

// No two of them are the same network, and the weights of most fit others.
std::vector<Network> twelve() {
  return {{"plain", {}},
          {"levels", {"model.levels=9"}},
          {"dilations", {"model.dilations=1,2,4"}},
          {"injection", {"model.injection_every=3"}},
          {"cutoffs", {"model.cutoffs=3,6"}},
          {"other cutoffs", {"model.cutoffs=2,5"}},
          {"kernel", {"model.kernel=3"}},
          {"no weight norm", {"model.weight_norm=false"}},
          {"groups", {"model.groups=3"}},
          {"experts", {"model.experts=3"}},
          {"hidden", {"model.hidden=16"}},
          {"words", {}, text_identity("other")}};
}

class KnownNetworks : public testing_support::WeightsFiles {
 protected:
  SafetensorsFile exported(const Network& network) {
    Parameters weights(ParameterLayout(network.shape()), at::kFloat);
    weights.flat().fill_(0.5);
    for (const ParameterInfo& info : weights.layout().parameters()) weights.assign(info.name, weights.published(info.name).clone());
    const auto path = folder_ / std::to_string(files_++);
    write_published_weights(path, network.shape(), weights,
                            network_metadata({.run = {.step = 12}, .settings = network.settings(), .data = network.data}));
    return SafetensorsFile::open(path);
  }
  SafetensorsFile with_metadata(const SafetensorsMetadata& metadata) {
    const auto path = folder_ / std::to_string(files_++);
    write_safetensors(path, {}, metadata);
    return SafetensorsFile::open(path);
  }
  // Tensors included.
  static bool takes(const SafetensorsFile& file, const Network& network) {
    try {
      EXPECT_THAT(expect_same_network(known_network(file), network.taking(), {}), IsEmpty());
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), HasSubstr("of another network"));
      return false;
    }
    Parameters weights(ParameterLayout(network.shape()), at::kFloat);
    read_published_weights(file, network.shape(), {}, weights);
    return true;
  }
};

TEST_F(KnownNetworks, WeightsGoIntoTheirOwnNetworkAndIntoNoOther) {
  for (const Network& from : twelve()) {
    const SafetensorsFile file = exported(from);
    for (const Network& to : twelve()) EXPECT_EQ(takes(file, to), from.name == std::string_view(to.name)) << from.name << " into " << to.name;
  }
}

TEST_F(KnownNetworks, WhatOnlyBeginsTrainingMayDiffer) {
  const Network plain{"plain", {}};
  EXPECT_TRUE(takes(exported(plain), {"", {"model.kernel_std=0.5", "model.embedding_range=0.2", "train.window=7", "train.seed=5"}}));
}

TEST_F(KnownNetworks, EachDifferenceIsToldWithBothValues) {
  const SafetensorsFile file = exported({"", {}});
  const Network other{"", {"model.levels=9", "model.dilations=1,2,4"}, text_identity("other")};
  const KnownNetwork known = known_network(file);
  try {
    expect_same_network(known, other.taking(), {});
    FAIL() << "nothing was thrown";
  } catch (const ConfigError& error) {
    EXPECT_THAT(error.fact(), AllOf(HasSubstr("model.levels: '3' of the weights, '9' here"), HasSubstr("model.dilations: '1' of the weights, '1,2,4' here"),
                                    HasSubstr("vocabulary.hash: \"0123\" of the weights, \"other\" here")));
    EXPECT_THAT(error.where(), HasSubstr(file.path().string()));
    EXPECT_THAT(error.fix(), HasSubstr("--allow model.levels,model.dilations,vocabulary"));
  }
  EXPECT_THAT(error_of<DataError>([&] { expect_same_network(known, Network{"", {}, text_identity("other")}.taking(), {}); }), HasSubstr("--allow vocabulary"));
}

TEST_F(KnownNetworks, WhatIsAllowedIsTakenAndTold) {
  const KnownNetwork known = known_network(exported({"", {}}));
  const Network other{"", {"model.levels=9", "model.dilations=1,2"}, text_identity("other")};
  const auto told = expect_same_network(known, other.taking(), AllowedDifferences(Words{"model.levels,model.dilations", "vocabulary"}));
  EXPECT_THAT(told, ElementsAre(HasSubstr("model.levels: '3' of the weights, '9' here: allowed"), HasSubstr("model.dilations"), HasSubstr("vocabulary.hash")));
  EXPECT_THAT(error_of<ConfigError>([&] { expect_same_network(known, other.taking(), AllowedDifferences(Words{"model.levels"})); }),
              AllOf(Not(HasSubstr("model.levels:")), HasSubstr("model.dilations:")));
}

// Nobody is told of a flag that would not help.
TEST_F(KnownNetworks, WhereTensorsWouldNotFitNothingCanBeAllowed) {
  const KnownNetwork known = known_network(exported({"", {}}));
  for (const char* word : {"model.hidden=16", "model.kernel=3", "model.weight_norm=false"}) {
    EXPECT_THAT(error_of<ConfigError>([&] { expect_same_network(known, Network{"", {word, "model.levels=9"}}.taking(), {}); }), Not(HasSubstr("--allow"))) << word;
  }
  json larger = text_identity("other");
  larger["words"] = kWords + 1;
  EXPECT_THAT(error_of<DataError>([&] { expect_same_network(known, Network{"", {}, larger}.taking(), AllowedDifferences(Words{"vocabulary"})); }),
              AllOf(HasSubstr("vocabulary.words: \"9\" of the weights, \"10\" here"), Not(HasSubstr("--allow"))));
}

TEST_F(KnownNetworks, AnotherTextOfTheSameWordsIsTold) {
  const auto told = expect_same_network(known_network(exported({"", {}})), Network{"", {}, text_identity("0123", "cdef")}.taking(), {});
  EXPECT_THAT(told, ElementsAre(AllOf(HasSubstr("another training split"), HasSubstr("4567"), HasSubstr("cdef"))));
}

TEST_F(KnownNetworks, OfSequencesHowTheyWereMadeCounts) {
  const Words classifier{"model.task=classifier", "model.embedding=2"};
  const KnownNetwork known = known_network(exported({"", classifier, sequence_identity()}));
  EXPECT_THAT(expect_same_network(known, Network{"", classifier, sequence_identity()}.taking(), {}), IsEmpty());
  const TakingNetwork other = Network{"", classifier, sequence_identity(0.2)}.taking();
  EXPECT_THAT(error_of<DataError>([&] { expect_same_network(known, other, {}); }),
              AllOf(HasSubstr("corpus.mean: \"0.1307,0.5\" of the weights, \"0.2,0.5\" here"), HasSubstr("--allow sequences")));
  EXPECT_THAT(expect_same_network(known, other, AllowedDifferences(Words{"sequences"})), ElementsAre(HasSubstr("corpus.mean")));
  Words permuted = classifier;
  permuted.emplace_back("data.permute=true");
  EXPECT_THAT(error_of<ConfigError>([&] { expect_same_network(known, Network{"", permuted, sequence_identity()}.taking(), {}); }),
              HasSubstr("data.permute: 'false' of the weights, 'true' here"));
  const TakingNetwork text = Network{"", {}}.taking();
  EXPECT_THAT(error_of<ConfigError>([&] { expect_same_network(known, text, {}); }), AllOf(HasSubstr("model.task"), HasSubstr("corpus.kind")));
}

TEST_F(KnownNetworks, WhatAFileDoesNotSayIsTold) {
  const KnownNetwork unknown = known_network(with_metadata({{"format", "pt"}, {"model.levels", "an other tool's"}}));
  EXPECT_THAT(unknown.settings, IsEmpty());
  const auto told = expect_same_network(unknown, Network{"", {"model.cutoffs=3"}}.taking(), {});
  EXPECT_THAT(told, ElementsAre(AllOf(HasSubstr("model.levels=3, model.dilations=1, model.injection_every=1, model.cutoffs=3"), HasSubstr("order of its words"))));
  TakingNetwork with_words = Network{"", {}}.taking();
  with_words.rows_known = true;
  EXPECT_THAT(expect_same_network(unknown, with_words, {}), ElementsAre(Not(HasSubstr("words"))));
  EXPECT_THAT(expect_same_network(unknown, Network{"", {"model.task=classifier", "model.embedding=2"}, sequence_identity()}.taking(), {}),
              ElementsAre(AllOf(HasSubstr("data.permute=false"), HasSubstr("numbers that bytes stand for"))));
  // a later program may leave out, or have added, something that tensors do not tell
  const KnownNetwork most = known_network(with_metadata({{"metadata_version", "1"}, {"model.levels", "3"}, {"vocabulary.hash", "0123"}}));
  EXPECT_THAT(expect_same_network(most, Network{"", {}}.taking(), {}),
              ElementsAre(AllOf(HasSubstr("model.dilations=1, model.injection_every=1"), Not(HasSubstr("levels")), Not(HasSubstr("order of its words")))));
}

TEST_F(KnownNetworks, MetadataThatMeanNothingAreRefused) {
  const auto refused = [&](const SafetensorsMetadata& metadata) {
    const SafetensorsFile file = with_metadata(metadata);
    return error_of<DataError>([&] { known_network(file); });
  };
  EXPECT_THAT(refused({{"metadata_version", "2"}}), HasSubstr("metadata_version is \"2\", this program reads 1"));
  EXPECT_THAT(refused({{"metadata_version", "1"}, {"model.levels", "many\n"}}), HasSubstr("model.levels is \"many\\n\", expected a whole number"));
  EXPECT_THAT(refused({{"metadata_version", "1"}, {"model.wings", "2"}}), HasSubstr("the setting \"model.wings\" is unknown"));
}

TEST_F(KnownNetworks, AnExportSaysWhatItIs) {
  const SafetensorsMetadata metadata = exported({"", {"model.levels=5"}}).metadata();
  EXPECT_EQ(metadata.at("format"), "pt");
  EXPECT_THAT(metadata.at("program"), testing::StartsWith("trellis "));
  EXPECT_EQ(metadata.at("step"), "12");
  EXPECT_EQ(metadata.at("model.levels"), "5");
  EXPECT_EQ(metadata.at("model.kernel_std"), "0.01");
  EXPECT_EQ(metadata.at("vocabulary.words"), "9");
  EXPECT_EQ(metadata.at("vocabulary.hash"), "0123");
  EXPECT_EQ(metadata.at("corpus.kind"), "text");
  EXPECT_EQ(metadata.at("corpus.splits.train"), "4567");
  EXPECT_EQ(metadata.at("decoder.weight"), "encoder.weight");
}

}  // namespace
}  // namespace trellis
