// Small texts made into corpora and read back as tokens.
#pragma once

#include <gtest/gtest.h>

#include "preprocessing/text_corpus.h"
#include "tests/corpus/corpus_fixture.h"

namespace trellis::testing_support {

class TextCorpus : public testing::Test {
 protected:
  // Options for splits of these texts, each a file of its own.
  TextCorpusOptions texts(const std::vector<std::string>& train, const std::vector<std::string>& valid = {}) {
    TextCorpusOptions options;
    for (const std::string& text : train)
      options.files[0].push_back(put_file(directory_ / ("t" + std::to_string(made_++)), text));
    for (const std::string& text : valid)
      options.files[1].push_back(put_file(directory_ / ("v" + std::to_string(made_++)), text));
    options.output = directory_ / ("corpus" + std::to_string(made_++));
    return options;
  }
  static Manifest build(const TextCorpusOptions& options) {
    return build_text_corpus(options, [](const ReadingProgress&) {});
  }
  static std::string building(const TextCorpusOptions& options) {
    const std::string said = error_of([&] { build(options); });
    EXPECT_EQ(fs::exists(options.output), said == "no error");
    for (const auto& entry : fs::directory_iterator(options.output.parent_path()))
      EXPECT_FALSE(entry.path().filename().string().starts_with(".tmp-")) << entry.path();
    return said;
  }
  // The split read back as tokens.
  static std::vector<std::string> tokens(const TextCorpusOptions& options, const char* split = "train") {
    const Corpus corpus = Corpus::open(options.output);
    const Vocabulary vocabulary = corpus.load_vocabulary();
    const auto reader = corpus.open_split(split);
    std::vector<std::int64_t> ids(static_cast<std::size_t>(reader->tokens()));
    reader->read(0, ids);
    std::vector<std::string> words;
    for (const std::int64_t id : ids) words.emplace_back(vocabulary[id]);
    return words;
  }
  std::vector<std::string> tokens_of(const std::vector<std::string>& train, Unit unit = Unit::word,
                                     Lines lines = Lines::end_with_eos) {
    TextCorpusOptions options = texts(train);
    options.unit = unit;
    options.lines = lines;
    build(options);
    return tokens(options);
  }

  const TemporaryDirectory directory_;
  int made_ = 0;
};

}  // namespace trellis::testing_support
