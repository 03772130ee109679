// Facts of ranks held against each other, without ranks.
#include "base/facts.h"

#include <gmock/gmock.h>

#include <numeric>

namespace trellis {
namespace {

using testing::HasSubstr;
using testing::StartsWith;
using Shares = std::vector<FactDifference::Share>;

const Facts kFacts{{FactKind::program, "version", "0.1.0"}, {FactKind::flag, "--resume", "none"}, {FactKind::setting, "model.levels", "3"},
                   {FactKind::setting, "model.cutoffs", ""}, {FactKind::corpus, "the split 'train'", "40 tokens,\nhash 1f"}};

Facts with(std::size_t index, const std::string& value) {
  Facts facts = kFacts;
  facts[index].value = value;
  return facts;
}

TEST(Facts, ComeBackFromTheirText) {
  EXPECT_EQ(facts_from_text(to_text(kFacts)), kFacts);
  EXPECT_EQ(facts_from_text(to_text({})), Facts{});
}

TEST(Facts, AreNotReadFromWhatIsNone) {
  const std::string text = to_text(kFacts);
  for (const std::string& bad : {text.substr(0, text.size() - 1), text + "2", std::string("9\0a\0b\0", 6), std::string("\0a\0b\0", 5)}) {
    EXPECT_THROW(facts_from_text(bad), InternalError);
  }
  EXPECT_THROW(to_text({{FactKind::flag, "a", std::string(1, '\0')}}), InternalError);
}

TEST(Facts, ThatAllRanksHaveDifferInNothing) {
  EXPECT_EQ(first_difference({}), std::nullopt);
  for (std::size_t ranks = 1; ranks <= 5; ++ranks) EXPECT_EQ(first_difference(std::vector<Facts>(ranks, kFacts)), std::nullopt);
}

// Each fact made to differ on each rank in turn.
TEST(Facts, NameTheOneThatDiffersWithRanksAndValues) {
  for (std::size_t index = 0; index < kFacts.size(); ++index) {
    for (std::size_t odd = 0; odd < 4; ++odd) {
      std::vector<Facts> all(4, kFacts);
      all[odd] = with(index, "other");
      std::vector<int> others{0, 1, 2, 3};
      std::erase(others, static_cast<int>(odd));
      const FactDifference::Share most{kFacts[index].value, others}, one{"other", {static_cast<int>(odd)}};
      EXPECT_EQ(first_difference(all), (FactDifference{kFacts[index].kind, kFacts[index].name, odd == 0 ? Shares{one, most} : Shares{most, one}}));
    }
  }
}

TEST(Facts, TellTheFirstOfSeveralDifferences) {
  const std::vector<Facts> all{kFacts, with(3, "5"), with(1, "auto")};
  EXPECT_EQ(first_difference(all)->name, "--resume");
}

TEST(Facts, ThatARankDoesNotKnowAreADifferenceToo) {
  Facts fewer = kFacts, more = kFacts;
  fewer.erase(fewer.begin() + 2);
  more.push_back({FactKind::setting, "model.wings", "2"});
  EXPECT_EQ(first_difference(std::vector{kFacts, fewer}), (FactDifference{FactKind::setting, "model.levels", {{"3", {0}}, {std::nullopt, {1}}}}));
  EXPECT_EQ(first_difference(std::vector{fewer, kFacts}), (FactDifference{FactKind::setting, "model.levels", {{std::nullopt, {0}}, {"3", {1}}}}));
  EXPECT_EQ(first_difference(std::vector{kFacts, kFacts, more})->name, "model.wings");
}

TEST(Facts, GroupRanks) {
  EXPECT_EQ(describe_ranks(std::vector{3}), "rank 3");
  EXPECT_EQ(describe_ranks(std::vector{0, 1, 2, 5}), "ranks 0-2, 5");
  std::vector<int> every_second(1000), all(4096);
  for (int i = 0; i < 1000; ++i) every_second[static_cast<std::size_t>(i)] = 2 * i;
  std::iota(all.begin(), all.end(), 0);
  EXPECT_EQ(describe_ranks(every_second), "ranks 0, 2, 4, 6, 8, 10 and 994 more");
  EXPECT_EQ(describe_ranks(all), "ranks 0-4095");
}

TEST(Facts, AreToldWithExitCodeAndAdvice) {
  const auto told = [](std::vector<Facts> all) { return error_of(*first_difference(all)); };
  const Error setting = told({kFacts, kFacts, kFacts, with(2, "30")});
  EXPECT_EQ(setting.fact(), "the ranks differ in model.levels: ranks 0-2: 3; rank 3: 30");
  EXPECT_EQ(setting.code(), ExitCode::wrong_setting);
  EXPECT_THAT(setting.fix(), HasSubstr("section.option=value"));
  EXPECT_EQ(told({kFacts, with(0, "0.2.0")}).code(), ExitCode::wrong_setting);
  EXPECT_EQ(told({kFacts, with(1, "auto")}).code(), ExitCode::wrong_setting);
  EXPECT_EQ(told({kFacts, with(4, "41 tokens")}).code(), ExitCode::bad_data);
  EXPECT_THAT(told({kFacts, with(3, "5")}).fact(), HasSubstr("rank 0: empty; rank 1: 5"));
  EXPECT_THAT(told({kFacts, {}}).fact(), HasSubstr("rank 1: unknown there"));
}

TEST(Facts, KeepAMessageShortWhateverThereIsToTell) {
  std::vector<Facts> all;
  for (int rank = 0; rank < 1000; ++rank) all.push_back(with(4, std::to_string(rank) + std::string(5000, 'x')));
  const Error error = error_of(*first_difference(all));
  EXPECT_THAT(error.fact(), StartsWith("the ranks differ in the split 'train': rank 0: 0xxx"));
  EXPECT_THAT(error.fact(), HasSubstr("and 996 other values"));
  EXPECT_LT(error.fact().size(), 2000u);
}

}  // namespace
}  // namespace trellis
