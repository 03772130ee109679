// Facts compared by the ranks that have them.
#include "mpi/same_on_all.h"

#include <gmock/gmock.h>

#include "mpi/agreement.h"
#include "tests/mpi/mpi_test_main.h"

namespace trellis {
namespace {

using testing::HasSubstr;

Facts usual() { return {{FactKind::program, "version", "1"}, {FactKind::setting, "model.levels", "3"}, {FactKind::corpus, "the vocabulary", "60 words"}}; }

TEST(SameOnAll, PassesWhatAllHave) {
  const auto world = Communicator::world();
  for (int time = 0; time < 3; ++time) EXPECT_NO_THROW(expect_same_on_all(world, usual()));
  EXPECT_NO_THROW(expect_same_on_all(world, {}));
}

// Every fact on every rank in turn; afterwards the ranks are still in step.
TEST(SameOnAll, RefusesOnEveryRankWhatOneHasOtherwise) {
  const auto world = Communicator::world();
  for (std::size_t index = 0; index < usual().size() && world.size() > 1; ++index) {
    for (int odd = 0; odd < world.size(); ++odd) {
      Facts facts = usual();
      if (world.rank() == odd) facts[index].value = "other";
      try {
        expect_same_on_all(world, facts);
        FAIL() << "no error";
      } catch (const Error& error) {
        EXPECT_EQ(error.code(), usual()[index].kind == FactKind::corpus ? ExitCode::bad_data : ExitCode::wrong_setting);
        EXPECT_THAT(error.fact(), HasSubstr("the ranks differ in " + usual()[index].name + ": "));
        EXPECT_THAT(error.fact(), HasSubstr("rank " + std::to_string(odd) + ": other"));
        EXPECT_THAT(error.fact(), HasSubstr(": " + usual()[index].value));
        EXPECT_FALSE(error.fix().empty());
        const auto* agreed = dynamic_cast<const Agreement*>(&error);
        EXPECT_TRUE(agreed != nullptr && agreed->ranks == world.size());
      }
    }
  }
  EXPECT_NO_THROW(expect_same_on_all(world, usual()));
}

TEST(SameOnAll, TellsARankThatKnowsLessOrMore) {
  const auto world = Communicator::world();
  if (world.size() == 1) return;
  Facts facts = usual();
  if (world.rank() == world.size() - 1) facts.push_back({FactKind::setting, "model.wings", "2"});
  try {
    expect_same_on_all(world, facts);
    FAIL() << "no error";
  } catch (const ConfigError& error) {
    EXPECT_THAT(error.fact(), HasSubstr("unknown there; rank " + std::to_string(world.size() - 1) + ": 2"));
  }
}

}  // namespace
}  // namespace trellis

int main(int argc, char** argv) { return trellis::testing_support::run_mpi_tests(argc, argv); }
