#include "corpus/sequence_reader.h"

#include <array>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <thread>

#include "tests/corpus/sequence_fixture.h"

namespace trellis {
namespace {

using namespace testing_support;
using testing::HasSubstr;
using testing::StartsWith;

const SequenceDescription kSmall = described(3, 2, 10);

Sequences read(const SequenceReader& reader, std::int64_t first, std::int64_t count) {
  Sequences sequences{std::vector<std::uint8_t>(static_cast<std::size_t>(count * reader.description().bytes())),
                      std::vector<std::uint8_t>(static_cast<std::size_t>(count))};
  reader.read(first, sequences.pixels, sequences.labels);
  return sequences;
}

TEST(SequenceReader, GivesEveryRangeWhateverTheShards) {
  const Sequences all = some_sequences(23, kSmall);
  for (const std::int64_t in_shard : {1, 2, 5, 22, 23, 100}) {
    const TemporaryDirectory directory;
    const SequenceManifest manifest = put_sequences(directory / "c", all, kSmall, in_shard);
    EXPECT_EQ(manifest.splits.at("train").shards.size(), static_cast<std::size_t>((23 + in_shard - 1) / in_shard));
    const SequenceCorpus corpus = SequenceCorpus::open(directory / "c");
    EXPECT_EQ(corpus.manifest(), manifest);
    const auto reader = corpus.open_split("train");
    ASSERT_EQ(reader->sequences(), 23);
    for (std::ptrdiff_t first = 0; first <= 23; ++first)
      for (std::ptrdiff_t count = 0; first + count <= 23; ++count) {
        const Sequences part = read(*reader, first, count);
        ASSERT_EQ(part.pixels,
                  std::vector<std::uint8_t>(all.pixels.begin() + first * 6, all.pixels.begin() + (first + count) * 6));
        ASSERT_EQ(part.labels,
                  std::vector<std::uint8_t>(all.labels.begin() + first, all.labels.begin() + first + count));
      }
  }
}

TEST(SequenceReader, NamesShardAndIndexOfALabelOutsideTheClasses) {
  const TemporaryDirectory directory;
  Sequences bad = some_sequences(300, kSmall);
  bad.labels[191] = 10;
  put_sequences(directory / "c", bad, kSmall, 100);
  const auto reader = SequenceCorpus::open(directory / "c").open_split("train");
  const std::string said = error_of([&] { read(*reader, 20, 250); });
  EXPECT_THAT(said, StartsWith("65: train-00001.h5: /labels[91]: label 10, expected < 10"));
  EXPECT_THAT(said, HasSubstr("c/train-00001.h5"));
  EXPECT_EQ(error_of([&] { read(*reader, 192, 108); }), "no error");
}

TEST(SequenceReader, NoticesAShardCutWhileInUse) {
  const TemporaryDirectory directory;
  put_sequences(directory / "c", some_sequences(5000, kSmall), kSmall, 10'000);
  const auto reader = SequenceCorpus::open(directory / "c").open_split("train");
  fs::resize_file(directory / "c" / "train-00000.h5", 8000);
  EXPECT_THAT(error_of([&] { read(*reader, 0, 5000); }),
              StartsWith("65: ends at byte 8000, expected 30000 bytes from "));
}

TEST(SequenceReader, RefusesSequencesThatDoNotExistAndPlacesThatDoNotFit) {
  const TemporaryDirectory directory;
  put_sequences(directory / "c", some_sequences(10, kSmall), kSmall, 10);
  const auto reader = SequenceCorpus::open(directory / "c").open_split("train");
  EXPECT_THAT(error_of([&] { read(*reader, 6, 5); }), StartsWith("70: "));
  EXPECT_THAT(error_of([&] { read(*reader, -1, 5); }), StartsWith("70: "));
  std::vector<std::uint8_t> pixels(11), labels(2);
  EXPECT_THAT(error_of([&] { reader->read(0, pixels, labels); }), StartsWith("70: "));
}

TEST(SequenceReader, ReadsFromManyThreads) {
  const TemporaryDirectory directory;
  const Sequences all = some_sequences(20'000, kSmall);
  put_sequences(directory / "c", all, kSmall, 777);
  const auto reader = SequenceCorpus::open(directory / "c").open_split("train", Verify::structure);
  std::vector<std::jthread> threads;
  std::array<bool, 4> same{};
  for (std::size_t t = 0; t < same.size(); ++t)
    threads.emplace_back([&, t] {
      Sequences mine;
      const auto step = static_cast<std::int64_t>(300 + t);
      for (std::int64_t at = 0; at < 20'000; at += step) {
        const Sequences part = read(*reader, at, std::min<std::int64_t>(step, 20'000 - at));
        mine.pixels.insert(mine.pixels.end(), part.pixels.begin(), part.pixels.end());
        mine.labels.insert(mine.labels.end(), part.labels.begin(), part.labels.end());
      }
      same[t] = mine.pixels == all.pixels && mine.labels == all.labels;
    });
  threads.clear();
  EXPECT_THAT(same, testing::Each(true));
}

TEST(SequenceCorpus, SaysWhatItHolds) {
  const TemporaryDirectory directory;
  put_sequences(directory / "c", some_sequences(10, kSmall), kSmall, 10, "valid");
  const SequenceCorpus corpus = SequenceCorpus::open(directory / "c");
  EXPECT_TRUE(corpus.has_split("valid"));
  EXPECT_EQ(corpus.sequences("valid"), 10);
  EXPECT_EQ(corpus.description(), kSmall);
  EXPECT_THAT(error_of([&] { corpus.open_split("test"); }),
              HasSubstr("66: the corpus has no split 'test', only: valid"));
}

TEST(SequenceSplitWriter, WritesTheSameBytesHoweverSequencesArrive) {
  const TemporaryDirectory directory;
  const Sequences all = some_sequences(1000, kSmall);
  std::vector<std::map<std::string, std::string>> content;
  for (const std::size_t piece : {1, 7, 300, 1000}) {
    const fs::path place = directory / std::to_string(piece);
    fs::create_directory(place);
    SequenceSplitWriter writer(place, "train", kSmall, 1000, 300);
    for (std::size_t at = 0; at < 1000; at += piece) {
      const std::size_t count = std::min(piece, 1000 - at);
      writer.append(std::span(all.pixels).subspan(at * 6, count * 6), std::span(all.labels).subspan(at, count));
    }
    EXPECT_EQ(writer.finish().size(), 4U);
    content.push_back(directory_content(place));
  }
  for (const auto& other : content) EXPECT_EQ(other, content[0]);
}

TEST(SequenceSplitWriter, InsistsOnTheSequencesThatWereAnnounced) {
  const TemporaryDirectory directory;
  const Sequences ten = some_sequences(10, kSmall);
  SequenceSplitWriter less(directory.path(), "train", kSmall, 11, 4);
  less.append(ten.pixels, ten.labels);
  EXPECT_THAT(error_of([&] { less.finish(); }), StartsWith("70: fewer sequences than were announced"));
  SequenceSplitWriter more(directory.path(), "valid", kSmall, 9, 4);
  EXPECT_THAT(error_of([&] { more.append(ten.pixels, ten.labels); }), StartsWith("70: more sequences than"));
}

}  // namespace
}  // namespace trellis
