// The corpora in tests/corpus/golden and tests/corpus/golden-sequences are the worked examples of docs/formats.md. They
// must stay readable for ever.
#include <cstdlib>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/corpus/sequence_fixture.h"
#include "tests/source_folder.h"

namespace trellis {
namespace {

using namespace testing_support;
using testing::ElementsAre;

fs::path golden() { return source_folder() / "tests/corpus/golden"; }

std::vector<std::uint32_t> ids_of(const Corpus& corpus, const char* split) {
  const auto reader = corpus.open_split(split);
  std::vector<std::uint32_t> ids(static_cast<std::size_t>(reader->tokens()));
  reader->read(0, ids);
  return ids;
}

TEST(GoldenCorpus, ReadsAsDocumented) {
  const Corpus corpus = Corpus::open(golden() / "corpus");
  EXPECT_EQ(corpus.unit(), Unit::word);
  EXPECT_EQ(corpus.manifest().min_count, 2);
  EXPECT_TRUE(corpus.manifest().end_of_line);
  EXPECT_EQ(corpus.vocabulary_hash(), "c475db647eeb60a81047fee1ce7c588a");
  const Vocabulary vocabulary = corpus.load_vocabulary();
  std::vector<std::string> words;
  for (std::int64_t id = 0; id < vocabulary.size(); ++id) words.emplace_back(vocabulary[id]);
  EXPECT_THAT(words, ElementsAre("<unk>", "the", "<eos>", "sat"));
  EXPECT_THAT(vocabulary.counts(), ElementsAre(4, 3, 2, 2));
  EXPECT_THAT(ids_of(corpus, "train"), ElementsAre(1, 0, 3, 0, 1, 0, 2, 1, 0, 3, 2));
  EXPECT_THAT(ids_of(corpus, "valid"), ElementsAre(1, 0, 0, 2));
}

TEST(GoldenCorpus, IsWrittenWithTheSameBytes) {
  const TemporaryDirectory directory;
  const Corpus corpus = Corpus::open(golden() / "corpus");
  write_vocabulary(directory / kVocabularyFile, corpus.load_vocabulary());
  Manifest manifest = corpus.manifest();
  for (auto& [name, split] : manifest.splits) {
    SplitWriter writer(directory.path(), name, split.tokens, 8, corpus.vocabulary_hash());
    writer.append(ids_of(corpus, name.c_str()));
    split.shards = writer.finish();
  }
  write_manifest(directory.path(), manifest);
  EXPECT_EQ(directory_content(directory.path()), directory_content(golden() / "corpus"));
}

fs::path golden_sequences() { return source_folder() / "tests/corpus/golden-sequences/corpus"; }

Sequences sequences_of(const SequenceCorpus& corpus, const std::string& split) {
  const auto reader = corpus.open_split(split);
  Sequences all{std::vector<std::uint8_t>(static_cast<std::size_t>(reader->sequences() * corpus.description().bytes())),
                std::vector<std::uint8_t>(static_cast<std::size_t>(reader->sequences()))};
  reader->read(0, all.pixels, all.labels);
  return all;
}

TEST(GoldenSequences, ReadAsDocumented) {
  const SequenceCorpus corpus = SequenceCorpus::open(golden_sequences());
  EXPECT_EQ(corpus.description(), (SequenceDescription{6, 1, 3, {{0.1307}, {0.3081}}}));
  const Sequences train = sequences_of(corpus, "train"), valid = sequences_of(corpus, "valid"),
                  test = sequences_of(corpus, "test");
  EXPECT_THAT(train.pixels,
              ElementsAre(0, 10, 20, 30, 40, 50, 100, 110, 120, 130, 140, 150, 200, 210, 220, 230, 240, 250));
  EXPECT_THAT(train.labels, ElementsAre(2, 0, 1));
  EXPECT_THAT(valid.pixels, ElementsAre(255, 0, 255, 0, 255, 0));
  EXPECT_THAT(valid.labels, ElementsAre(2));
  EXPECT_THAT(test.pixels, ElementsAre(1, 2, 3, 4, 5, 6));
  EXPECT_THAT(test.labels, ElementsAre(1));
}

TEST(GoldenSequences, AreWrittenWithTheSameBytes) {
  const TemporaryDirectory directory;
  const SequenceCorpus corpus = SequenceCorpus::open(golden_sequences());
  SequenceManifest manifest = corpus.manifest();
  for (auto& [name, split] : manifest.splits) {
    const Sequences all = sequences_of(corpus, name);
    SequenceSplitWriter writer(directory.path(), name, manifest.description, split.sequences, 2);
    writer.append(all.pixels, all.labels);
    split.shards = writer.finish();
  }
  write_manifest(directory.path(), manifest);
  EXPECT_EQ(directory_content(directory.path()), directory_content(golden_sequences()));
}

}  // namespace
}  // namespace trellis
