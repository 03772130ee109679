#include "corpus/token_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <thread>

#include "tests/corpus/corpus_fixture.h"

namespace trellis {
namespace {

using namespace testing_support;
using testing::HasSubstr;
using testing::StartsWith;

TEST(TokenReader, GivesEveryRangeWhateverTheShards) {
  const auto ids = some_ids(23, 10);
  for (const std::int64_t shard_tokens : {1, 2, 5, 22, 23, 100}) {
    const TemporaryDirectory directory;
    const Manifest manifest = put_corpus(directory / "c", ids, 10, shard_tokens);
    EXPECT_EQ(manifest.splits.at("train").shards.size(),
              static_cast<std::size_t>((23 + shard_tokens - 1) / shard_tokens));
    const auto reader = Corpus::open(directory / "c").open_split("train");
    ASSERT_EQ(reader->tokens(), 23);
    for (std::size_t first = 0; first <= ids.size(); ++first)
      for (std::size_t count = 0; first + count <= ids.size(); ++count) {
        std::vector<std::uint32_t> narrow(count);
        std::vector<std::int64_t> wide(count);
        reader->read(static_cast<std::int64_t>(first), narrow);
        reader->read(static_cast<std::int64_t>(first), wide);
        const std::vector<std::uint32_t> expected(ids.begin() + static_cast<std::ptrdiff_t>(first),
                                                  ids.begin() + static_cast<std::ptrdiff_t>(first + count));
        ASSERT_EQ(narrow, expected);
        ASSERT_EQ(wide, std::vector<std::int64_t>(expected.begin(), expected.end()));
      }
  }
}

TEST(TokenReader, NamesShardAndIndexOfAnIdOutsideTheVocabulary) {
  const TemporaryDirectory directory;
  auto ids = some_ids(300, 10);
  ids[191] = 267'740;
  put_corpus(directory / "c", ids, 10, 100);
  const auto reader = Corpus::open(directory / "c").open_split("train");
  std::vector<std::uint32_t> into(250);
  const std::string said = error_of([&] { reader->read(20, into); });
  EXPECT_THAT(said, StartsWith("65: train-00001.h5: /tokens[91]: id 267740, expected < 10"));
  EXPECT_THAT(said, HasSubstr("c/train-00001.h5"));
  ids[191] = 10;  // the first that is too large
  put_corpus(directory / "d", ids, 10, 100);
  EXPECT_THAT(error_of([&] { Corpus::open(directory / "d").open_split("train")->read(0, std::span(into)); }),
              HasSubstr("/tokens[91]: id 10, expected < 10"));
}

TEST(TokenReader, NoticesAShardCutWhileInUse) {
  const TemporaryDirectory directory;
  put_corpus(directory / "c", some_ids(5000, 10), 10, 10'000);
  const auto reader = Corpus::open(directory / "c").open_split("train");
  fs::resize_file(directory / "c" / "train-00000.h5", 8000);
  std::vector<std::uint32_t> into(5000);
  EXPECT_THAT(error_of([&] { reader->read(0, into); }),
              StartsWith("65: ends at byte 8000, expected 20000 bytes from "));
}

TEST(TokenReader, RefusesTokensThatDoNotExist) {
  const TemporaryDirectory directory;
  put_corpus(directory / "c", some_ids(10, 10), 10, 10);
  const auto reader = Corpus::open(directory / "c").open_split("train");
  std::vector<std::uint32_t> into(5);
  EXPECT_THAT(error_of([&] { reader->read(6, into); }), StartsWith("70: "));
  EXPECT_THAT(error_of([&] { reader->read(-1, into); }), StartsWith("70: "));
}

TEST(TokenReader, ReadsFromManyThreads) {
  const TemporaryDirectory directory;
  const auto ids = some_ids(100'000, 50);
  put_corpus(directory / "c", ids, 50, 7777);
  const auto reader = Corpus::open(directory / "c").open_split("train", Verify::structure);
  std::vector<std::jthread> threads;
  std::array<bool, 4> same{};
  for (std::size_t t = 0; t < same.size(); ++t)
    threads.emplace_back([&, t] {
      std::vector<std::uint32_t> all(ids.size());
      for (std::size_t at = 0; at < all.size(); at += 1000 + t)
        reader->read(static_cast<std::int64_t>(at), std::span(all).subspan(at, std::min(1000 + t, all.size() - at)));
      same[t] = all == ids;
    });
  threads.clear();
  EXPECT_THAT(same, testing::Each(true));
}

TEST(Corpus, SaysWhichSplitsThereAre) {
  const TemporaryDirectory directory;
  put_corpus(directory / "c", some_ids(10, 10), 10, 10, "valid");
  const Corpus corpus = Corpus::open(directory / "c");
  EXPECT_TRUE(corpus.has_split("valid"));
  EXPECT_EQ(corpus.tokens("valid"), 10);
  EXPECT_EQ(corpus.vocabulary_size(), 10);
  EXPECT_THAT(error_of([&] { corpus.open_split("test"); }),
              HasSubstr("66: the corpus has no split 'test', only: valid"));
}

TEST(SplitWriter, InsistsOnTheTokensThatWereAnnounced) {
  const TemporaryDirectory directory;
  const auto ids = some_ids(10, 10);
  SplitWriter less(directory.path(), "train", 11, 4, std::string(32, 'a'));
  less.append(ids);
  EXPECT_THAT(error_of([&] { less.finish(); }),
              StartsWith("65: the text changed while it was being read: 10 tokens, counted 11 before"));
  SplitWriter more(directory.path(), "valid", 9, 4, std::string(32, 'a'));
  EXPECT_THAT(error_of([&] { more.append(ids); }),
              StartsWith("65: the text grew while it was being read: more than the 9 tokens"));
}

TEST(SplitWriter, WritesTheSameBytesHoweverTokensArrive) {
  const TemporaryDirectory directory;
  const auto ids = some_ids(700'000, 1000);
  std::vector<std::map<std::string, std::string>> content;
  for (const std::size_t piece : {std::size_t{1000}, ids.size(), std::size_t{262'144}}) {
    const fs::path place = directory / std::to_string(piece);
    fs::create_directory(place);
    SplitWriter writer(place, "train", static_cast<std::int64_t>(ids.size()), 300'000, std::string(32, 'a'));
    for (std::size_t at = 0; at < ids.size(); at += piece)
      writer.append(std::span(ids).subspan(at, std::min(piece, ids.size() - at)));
    EXPECT_EQ(writer.finish().size(), 3U);
    content.push_back(directory_content(place));
  }
  EXPECT_EQ(content[0], content[1]);
  EXPECT_EQ(content[0], content[2]);
}

}  // namespace
}  // namespace trellis
