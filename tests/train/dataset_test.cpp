// What a checkpoint keeps of its data, and which data a network or a run may meet again.
#include "train/dataset.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <filesystem>
#include <functional>

#include "base/errors.h"
#include "tests/corpus/corpus_fixture.h"
#include "tests/scratch_folder.h"
#include "tests/source_folder.h"
#include "train/rank_facts.h"

namespace trellis {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;
namespace fs = std::filesystem;

fs::path scratch() {
  const fs::path folder = scratch_folder() / testing::UnitTest::GetInstance()->current_test_info()->name();
  fs::remove_all(folder);
  return folder;
}

std::string refusal(const std::function<void()>& action) {
  try {
    action();
  } catch (const DataError& error) {
    EXPECT_THAT(error.fix(), HasSubstr("--init-from"));
    return error.what();
  }
  return "no error";
}

// The numbers of docs/formats.md.
TEST(Dataset, IsIdentifiedByVocabularyAndSplits) {
  const Dataset data = Dataset::open(source_folder() / "tests/corpus/golden/corpus");
  EXPECT_EQ(data.identity(), json::parse(R"({"kind": "text", "words": 4, "hash": "c475db647eeb60a81047fee1ce7c588a",
    "splits": {"train": "5ecbb85490fbd092a3c5ff4f987aef8a", "valid": "a70ba0418ac3133d77566de165ce616f"}})"));
  EXPECT_TRUE(tells_splits(data.identity()));
  EXPECT_NO_THROW(data.expect_identity(data.identity()));
  EXPECT_NO_THROW(data.expect_run_goes_on(data.identity()));
}

TEST(Dataset, OfSequencesIsIdentifiedAlike) {
  const Dataset data = Dataset::open(source_folder() / "tests/corpus/golden-sequences/corpus");
  const json identity = data.identity();
  EXPECT_EQ(identity.at("splits").size(), 3u);
  EXPECT_NO_THROW(data.expect_run_goes_on(identity));
  json other = identity;
  other["splits"]["train"] = std::string(32, '0');
  EXPECT_NO_THROW(data.expect_identity(other));
  EXPECT_THAT(refusal([&] { data.expect_run_goes_on(other); }), HasSubstr("split 'train'"));
}

TEST(Dataset, OfAnotherTextIsForTheNetworkButNotForTheRun) {
  const Dataset data = Dataset::open(source_folder() / "tests/corpus/golden/corpus");
  const json identity = data.identity();
  const std::string hash(32, '0');
  for (const char* split : {"train", "valid"}) {
    json other = identity;
    other["splits"][split] = hash;
    EXPECT_NO_THROW(data.expect_identity(other));
    EXPECT_THAT(refusal([&] { data.expect_run_goes_on(other); }),
                AllOf(HasSubstr(std::string("split '") + split + "'"), HasSubstr(hash), HasSubstr(identity["splits"][split].get<std::string>())));
  }
  json tested = identity, unjudged = identity;
  tested["splits"]["test"] = hash;  // a test split that is not there any more
  unjudged["splits"].erase("valid");
  EXPECT_NO_THROW(data.expect_run_goes_on(tested));
  EXPECT_NO_THROW(data.expect_run_goes_on(unjudged));  // nothing has been judged yet
  const fs::path folder = scratch();
  testing_support::put_corpus(folder, testing_support::some_ids(50, 9), 9, 20);
  const Dataset lacking = Dataset::open(folder);
  json judged = lacking.identity();
  judged["splits"]["valid"] = hash;
  EXPECT_THAT(refusal([&] { lacking.expect_run_goes_on(judged); }), HasSubstr("here; the best loss"));
}

TEST(Dataset, TakesIdentitiesOfOlderProgramsForWhatTheyTell) {
  const Dataset data = Dataset::open(source_folder() / "tests/corpus/golden/corpus");
  json older = data.identity();
  older.erase("splits");
  EXPECT_FALSE(tells_splits(older));
  EXPECT_NO_THROW(data.expect_identity(older));
  EXPECT_NO_THROW(data.expect_run_goes_on(older));
  older["hash"] = std::string(32, '0');
  EXPECT_THROW(data.expect_identity(older), DataError);
}

// Each part of what ranks may see of a corpus.
TEST(Dataset, AsFactsDiffersInWhateverDiffers) {
  const fs::path folder = scratch();
  const std::vector<std::uint32_t> ids = testing_support::some_ids(50, 9);
  std::vector<std::uint32_t> turned = ids;
  std::ranges::reverse(turned);
  testing_support::put_corpus(folder / "usual", ids, 9, 20);
  testing_support::put_corpus(folder / "same", ids, 9, 20);
  testing_support::put_corpus(folder / "turned", turned, 9, 20);
  testing_support::put_corpus(folder / "cut", ids, 9, 50);
  testing_support::put_corpus(folder / "more_words", ids, 10, 20);
  testing_support::put_corpus(folder / "judged", ids, 9, 20, "valid");
  const auto facts = [&](const char* name) { return corpus_facts(Dataset::open(folder / name)); };
  const auto difference = [&](const char* name) {
    const auto found = first_difference(std::vector{facts("usual"), facts(name)});
    return found ? found->name : "none";
  };
  EXPECT_EQ(difference("same"), "none");
  EXPECT_EQ(difference("turned"), "the corpus's split 'train'");
  EXPECT_EQ(difference("cut"), "the corpus's split 'train'");
  EXPECT_EQ(difference("more_words"), "the corpus's vocabulary");
  EXPECT_EQ(difference("judged"), "the corpus's split 'train'");
  EXPECT_THAT(facts("judged")[3].value, "not there");
}

}  // namespace
}  // namespace trellis
