// The corpus in tests/corpus/golden is the worked example of docs/formats.md. It must stay readable as long as the
// format version is 1.
#include <cstdlib>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/corpus/corpus_fixture.h"
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

}  // namespace
}  // namespace trellis
