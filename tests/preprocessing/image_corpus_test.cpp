#include "preprocessing/image_corpus.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/preprocessing/image_corpus_fixture.h"
#include "tests/source_folder.h"

namespace trellis {
namespace {

using namespace testing_support;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

TEST_F(ImageCorpus, IdxImagesAreSequencesOfTheirPixelsRowByRow) {
  const ImageCorpusOptions options = idx_options({idx_files({1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, {9, 0}, 2, 3)});
  const SequenceManifest manifest = build(options);
  EXPECT_EQ(manifest.description, (SequenceDescription{6, 1, 10, {{0.1307}, {0.3081}}}));
  EXPECT_EQ(manifest.splits.at("train").sequences, 2);
  EXPECT_THAT(sequences(options).pixels, ElementsAre(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12));
  EXPECT_THAT(sequences(options).labels, ElementsAre(9, 0));
}

TEST_F(ImageCorpus, CifarPlanesBecomeChannelsOfAStep) {
  constexpr std::size_t kImages = 150, kPixels = 1024;  // more than a piece that is read at once
  const std::vector<std::uint8_t> values = some_bytes(kImages * 3 * kPixels, 256), labels = some_bytes(kImages, 10);
  std::vector<std::uint8_t> file;
  for (std::size_t image = 0; image < kImages; ++image) {
    file.push_back(labels[image]);
    file.insert(file.end(), values.begin() + static_cast<std::ptrdiff_t>(image * 3 * kPixels),
                values.begin() + static_cast<std::ptrdiff_t>((image + 1) * 3 * kPixels));
  }
  const ImageCorpusOptions cifar = options(ImageFormat::cifar, {{put(bytes_text(file)), ""}});
  EXPECT_EQ(build(cifar).description, (SequenceDescription{1024, 3, 10, {{0.5, 0.5, 0.5}, {0.5, 0.5, 0.5}}}));
  const Sequences read = sequences(cifar);
  EXPECT_EQ(read.labels, labels);
  for (std::size_t image = 0; image < kImages; ++image)
    for (std::size_t pixel = 0; pixel < kPixels; ++pixel)
      for (std::size_t plane = 0; plane < 3; ++plane)
        ASSERT_EQ(read.pixels[(image * kPixels + pixel) * 3 + plane],
                  values[image * 3 * kPixels + plane * kPixels + pixel]);
}

TEST_F(ImageCorpus, FilesFollowEachOtherAndTheLastImagesCanBeHeldOut) {
  const std::vector<ImageFiles> files{idx_files(5, 2, 2), idx_files(1, 2, 2), idx_files(6, 2, 2)};
  const ImageCorpusOptions whole = idx_options(files);
  build(whole);
  const Sequences all = sequences(whole);
  ASSERT_EQ(all.labels.size(), 12U);
  for (const std::int64_t held : {1, 3, 6, 7, 8, 11}) {
    ImageCorpusOptions parted = idx_options(files);
    parted.hold_out = held;
    parted.shard_sequences = 2;
    const SequenceManifest manifest = build(parted);
    EXPECT_EQ(manifest.splits.at("train").sequences, 12 - held);
    EXPECT_EQ(manifest.splits.at("valid").sequences, held);
    Sequences train = sequences(parted);
    const Sequences valid = sequences(parted, "valid");
    train.pixels.insert(train.pixels.end(), valid.pixels.begin(), valid.pixels.end());
    train.labels.insert(train.labels.end(), valid.labels.begin(), valid.labels.end());
    EXPECT_EQ(train.pixels, all.pixels);
    EXPECT_EQ(train.labels, all.labels);
  }
  ImageCorpusOptions none_left = idx_options(files);
  none_left.hold_out = 12;
  EXPECT_THAT(building(none_left), StartsWith("2: --hold-out is 12, but there are only 12 training images"));
}

TEST_F(ImageCorpus, SplitsAreThoseThatHaveFiles) {
  ImageCorpusOptions options = idx_options({});
  options.files[2] = {idx_files(3, 4, 4)};
  const SequenceManifest manifest = build(options);
  EXPECT_EQ(manifest.splits.size(), 1U);
  EXPECT_EQ(manifest.splits.at("test").sequences, 3);
  EXPECT_THAT(directory_content(options.output),
              testing::UnorderedElementsAre(testing::Key("manifest.json"), testing::Key("test-00000.h5")));
}

// More images than a block of a megabyte, over files, shards and blocks whose edges lie apart.
TEST_F(ImageCorpus, GivesTheSameSequencesWhateverTheShards) {
  const ImageFiles first = idx_files(700, 40, 50), second = idx_files(500, 40, 50);
  std::vector<Sequences> read;
  for (const std::optional<std::int64_t> in_shard : {std::optional<std::int64_t>(), {1200}, {333}, {100}}) {
    ImageCorpusOptions options = idx_options({first, second});
    options.shard_sequences = in_shard;
    const SequenceManifest manifest = build(options);
    const std::int64_t expected = in_shard ? (1200 + *in_shard - 1) / *in_shard : 1;
    EXPECT_EQ(static_cast<std::int64_t>(manifest.splits.at("train").shards.size()), expected);
    read.push_back(sequences(options));
    fs::remove_all(options.output);
  }
  const std::vector<std::uint8_t> pixels = some_bytes(700 * 2000, 256);
  EXPECT_TRUE(std::equal(pixels.begin(), pixels.end(), read[0].pixels.begin()));
  for (const Sequences& other : read) {
    EXPECT_EQ(other.labels, read[0].labels);
    EXPECT_TRUE(other.pixels == read[0].pixels);
  }
}

TEST_F(ImageCorpus, ReportsItsProgressToTheEnd) {
  ImageCorpusOptions options = idx_options({idx_files(1200, 40, 50)});
  options.hold_out = 100;
  ReadingProgress last;
  int reports = 0;
  build_image_corpus(options, [&](const ReadingProgress& progress) {
    EXPECT_GT(progress.done_bytes, last.done_bytes);
    last = progress;
    ++reports;
  });
  EXPECT_EQ(last.doing, "writing valid");
  EXPECT_EQ(last.done_bytes, 1200 * 2000);
  EXPECT_EQ(last.all_bytes, 1200 * 2000);
  EXPECT_GE(reports, 4);
}

TEST_F(ImageCorpus, ExistingOutputIsKept) {
  const ImageCorpusOptions options = idx_options({idx_files(3, 2, 2)});
  build(options);
  const auto before = directory_content(options.output);
  EXPECT_THAT(error_of([&] { build(options); }), StartsWith("73: the output exists already"));
  EXPECT_EQ(directory_content(options.output), before);
}

TEST_F(ImageCorpus, EqualsTheGoldenFiles) {
  const fs::path golden = source_folder() / "tests/corpus/golden-sequences";
  ImageCorpusOptions options = idx_options({{golden / "train-images.idx3-ubyte", golden / "train-labels.idx1-ubyte"}});
  options.files[2] = {{golden / "test-images.idx3-ubyte", golden / "test-labels.idx1-ubyte"}};
  options.hold_out = 1;
  options.classes = 3;
  options.shard_sequences = 2;
  build(options);
  auto expected = directory_content(golden / "corpus");
  std::string& manifest = expected.at(kManifestFile);  // which names the version that wrote it
  manifest.replace(manifest.find("0.1.0"), 5, kVersion);
  EXPECT_EQ(directory_content(options.output), expected);
}

}  // namespace
}  // namespace trellis
