#include "corpus/corpus_kind.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/corpus/sequence_fixture.h"

namespace trellis {
namespace {

using namespace testing_support;
using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

class CorpusKindTest : public testing::Test {
 protected:
  void SetUp() override {
    put_corpus(directory_ / "text", some_ids(10, 10), 10, 10);
    const SequenceDescription description = described(3, 1, 10);
    put_sequences(directory_ / "sequences", some_sequences(4, description), description, 10);
  }
  const TemporaryDirectory directory_;
};

TEST_F(CorpusKindTest, IsWhatTheManifestSays) {
  EXPECT_EQ(corpus_kind(directory_ / "text"), CorpusKind::text);
  EXPECT_EQ(corpus_kind(directory_ / "sequences"), CorpusKind::sequences);
  EXPECT_EQ(kind_name(CorpusKind::sequences), "labelled sequences");
}

TEST_F(CorpusKindTest, OpeningTheOtherKindNamesIt) {
  EXPECT_THAT(error_of([&] { Corpus::open(directory_ / "sequences"); }),
              AllOf(StartsWith("65: the corpus holds labelled sequences, expected text"),
                    HasSubstr("sequences/manifest.json"), HasSubstr("trellis-preprocess text")));
  EXPECT_THAT(error_of([&] { SequenceCorpus::open(directory_ / "text"); }),
              AllOf(StartsWith("65: the corpus holds text, expected labelled sequences"),
                    HasSubstr("text/manifest.json"), HasSubstr("trellis-preprocess images")));
}

TEST_F(CorpusKindTest, WhatIsNoCorpusIsRefused) {
  EXPECT_THAT(error_of([&] { corpus_kind(directory_ / "nowhere"); }), StartsWith("66: there is no such corpus"));
  EXPECT_THAT(error_of([&] { corpus_kind(directory_.path()); }), StartsWith("66: has no manifest.json"));
  const auto kind_of_text = [&](const std::string& text) {
    fs::create_directories(directory_ / "forged");
    put_file(directory_ / "forged" / kManifestFile, text);
    return error_of([&] { corpus_kind(directory_ / "forged"); });
  };
  EXPECT_THAT(kind_of_text("{"), StartsWith("65: manifest is not valid JSON"));
  EXPECT_THAT(kind_of_text("[]"), StartsWith("65: manifest: the whole is array, expected an object"));
  EXPECT_THAT(kind_of_text("{}"),
              StartsWith("65: manifest: 'format' is neither 'trellis-corpus' nor 'trellis-sequences'"));
  EXPECT_THAT(kind_of_text(R"({"format": "trellis-sequences", "format_version": 2})"),
              StartsWith("65: manifest: 'format_version' is not 1, the version that this program reads"));
}

}  // namespace
}  // namespace trellis
