// Shards of sequences that are damaged or forged. Where a forger could make manifest and hash agree, the manifest is
// made to agree here. What every HDF5 file of a corpus is refused for is in hostile_shard_test.cpp; here is what three
// dimensions, two datasets and their attributes add.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/corpus/sequence_fixture.h"
#include "tests/hdf5/hostile_file.h"

namespace trellis {
namespace {

using namespace testing_support;
using testing::StartsWith;

constexpr hsize_t kSequences = 7, kSteps = 5, kChannels = 3;
const FlatAttributes kAttributes{{"format", "trellis-sequence-shard"},
                                 {"format_version", "1"},
                                 {"classes", "10"},
                                 {"mean", "0.1307,0.1307,0.1307"},
                                 {"std", "0.3081,0.3081,0.3081"}};

class HostileSequenceShard : public testing::Test {
 protected:
  void SetUp() override {
    const SequenceDescription description = described(kSteps, kChannels, 10);
    manifest_ = put_sequences(corpus(), some_sequences(kSequences, description), description, 100);
  }
  fs::path corpus() const { return directory_ / "corpus"; }
  fs::path shard() const { return corpus() / "train-00000.h5"; }

  // Makes the manifest say what the shard now is.
  void agree() {
    const File file = File::open_to_read(shard());
    manifest_.splits["train"] = {kSequences, {{"train-00000.h5", kSequences, file.size(), hash_of(file)}}};
    fs::remove(corpus() / kManifestFile);
    write_manifest(corpus(), manifest_);
  }
  std::string opening(Verify verify = Verify::hash) const {
    return error_of([&] { SequenceCorpus::open(corpus()).open_split("train", verify); });
  }
  std::string forged(const std::function<void(hid_t)>& fill, const FlatAttributes& attributes = kAttributes) {
    forge_file(shard(), attributes, fill);
    agree();
    return opening();
  }
  std::string shaped(std::vector<hsize_t> pixels, std::vector<hsize_t> labels = {kSequences}) {
    return forged([&](hid_t file) {
      put_dataset(file, "pixels", H5T_STD_U8LE, pixels);
      put_dataset(file, "labels", H5T_STD_U8LE, labels);
    });
  }
  std::string with_attribute(const std::string& name, const std::string& value) {
    FlatAttributes attributes = kAttributes;
    attributes[name] = value;
    return forged(
        [](hid_t file) {
          put_dataset(file, "pixels", H5T_STD_U8LE, {kSequences, kSteps, kChannels});
          put_dataset(file, "labels", H5T_STD_U8LE, {kSequences});
        },
        attributes);
  }

  const TemporaryDirectory directory_;
  SequenceManifest manifest_;
};

TEST_F(HostileSequenceShard, ThePlainOnePasses) {
  EXPECT_EQ(opening(), "no error");
  EXPECT_EQ(shaped({kSequences, kSteps, kChannels}), "no error");
}

TEST_F(HostileSequenceShard, TruncatedAnywhere) {
  const std::string whole = file_text(shard());
  for (std::size_t length = 1; length < whole.size(); length += 37) {
    put_file(shard(), whole.substr(0, length));
    agree();
    EXPECT_THAT(opening(), StartsWith("65: ")) << length;
  }
}

TEST_F(HostileSequenceShard, EveryFlippedBitIsFoundByTheHash) {
  const std::string whole = file_text(shard());
  for (std::size_t at = 0; at < whole.size(); at += 7) {
    std::string changed = whole;
    changed[at] = static_cast<char>(changed[at] ^ (1 << (at % 8)));
    put_file(shard(), changed);
    EXPECT_THAT(opening(), StartsWith("65: is damaged: its hash is "));
    EXPECT_THAT(opening(Verify::structure),
                testing::AnyOf(StartsWith("65: "), testing::Eq("no error")));  // never a crash
  }
}

TEST_F(HostileSequenceShard, OtherShapes) {
  EXPECT_THAT(shaped({kSequences, kSteps * kChannels}), StartsWith("65: /pixels has 2 dimensions, expected 3"));
  EXPECT_THAT(shaped({kSequences, kSteps, kChannels, 1}), StartsWith("65: /pixels has 4 dimensions, expected 3"));
  EXPECT_THAT(shaped({kSequences, kChannels, kSteps}),
              StartsWith("65: /pixels has 7 x 3 x 5 elements, expected rows of 5 x 3"));
  EXPECT_THAT(shaped({kSequences, kSteps, 1}), StartsWith("65: /pixels has 7 x 5 x 1 elements"));
  EXPECT_THAT(shaped({kSequences - 1, kSteps, kChannels}),
              StartsWith("65: /pixels has 6 sequences, the manifest says 7"));
  EXPECT_THAT(shaped({kSequences, kSteps, kChannels}, {kSequences + 1}),
              StartsWith("65: /labels has 8 sequences, the manifest says 7"));
  EXPECT_THAT(shaped({kSequences, kSteps, kChannels}, {kSequences, 1}),
              StartsWith("65: /labels has 2 dimensions, expected 1"));
  const auto claiming = [&](hsize_t sequences) {  // late allocation keeps the file small
    return forged([&](hid_t file) {
      const hsize_t dims[] = {sequences, kSteps, kChannels};
      const hid_t space = H5Screate_simple(3, dims, nullptr);
      H5Dclose(H5Dcreate2(file, "pixels", H5T_STD_U8LE, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
      H5Sclose(space);
      put_dataset(file, "labels", H5T_STD_U8LE, {kSequences});
    });
  };
  for (const hsize_t bomb : {hsize_t{1} << 31, hsize_t{1} << 59})
    EXPECT_THAT(claiming(bomb), StartsWith("65: /pixels claims " + std::to_string(bomb) +
                                           " x 5 x 3 elements at byte nowhere, but the file has "));
}

TEST_F(HostileSequenceShard, OtherTypesLayoutsAndObjects) {
  EXPECT_THAT(forged([](hid_t file) {
                put_dataset(file, "pixels", H5T_STD_I8LE, {kSequences, kSteps, kChannels});
                put_dataset(file, "labels", H5T_STD_U8LE, {kSequences});
              }),
              StartsWith("65: /pixels: another element type"));
  EXPECT_THAT(forged([](hid_t file) {
                const hsize_t chunk[] = {1, kSteps, kChannels};
                put_dataset(
                    file, "pixels", H5T_STD_U8LE, {kSequences, kSteps, kChannels},
                    [&](hid_t layout) { H5Pset_chunk(layout, 3, chunk); }, true);
                put_dataset(file, "labels", H5T_STD_U8LE, {kSequences});
              }),
              StartsWith("65: /pixels: is chunked, expected contiguous data"));
  EXPECT_THAT(forged([](hid_t file) {
                put_dataset(file, "pixels", H5T_STD_U8LE, {kSequences, kSteps, kChannels});
              }),
              StartsWith("65: has no /labels"));
  EXPECT_THAT(forged([](hid_t file) {
                put_dataset(file, "pixels", H5T_STD_U8LE, {kSequences, kSteps, kChannels});
                put_dataset(file, "labels", H5T_STD_U8LE, {kSequences});
                put_dataset(file, "extra", H5T_STD_U8LE, {1});
              }),
              StartsWith("65: holds 3 objects, expected 2"));
}

TEST_F(HostileSequenceShard, AttributesThatDisagree) {
  EXPECT_EQ(with_attribute("mean", ".1307,1.307e-1,0.13070"), "no error");  // the same numbers
  EXPECT_THAT(with_attribute("format", "trellis-shard"),
              StartsWith("65: format is 'trellis-shard', expected 'trellis-sequence-shard'"));
  EXPECT_THAT(with_attribute("format_version", "2"), StartsWith("65: format version is '2', this program reads 1"));
  EXPECT_THAT(with_attribute("classes", "100"), StartsWith("65: classes is '100', the manifest says 10"));
  EXPECT_THAT(with_attribute("mean", "0.1307"),
              StartsWith("65: mean is '0.1307', the manifest says 0.1307,0.1307,0.1307"));
  EXPECT_THAT(with_attribute("std", "0.3081,0.3081,oops"), StartsWith("65: std is '0.3081,0.3081,oops', the manifest"));
  EXPECT_THAT(with_attribute("extra", "x"), StartsWith("65: has 6 attributes, expected 5"));
}

}  // namespace
}  // namespace trellis
