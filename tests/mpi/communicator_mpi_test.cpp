#include <gmock/gmock.h>
#include <numeric>

#include "mpi/agreement.h"
#include "mpi/communicator.h"
#include "tests/mpi/mpi_test_main.h"

namespace trellis {
namespace {

TEST(Communicator, ReducesIntegersOverAllRanks) {
  const auto world = Communicator::world();
  const std::int64_t n = world.size();
  EXPECT_EQ(world.all_reduce(std::int64_t{world.rank() + 1}, Reduction::sum), n * (n + 1) / 2);
  EXPECT_EQ(world.all_reduce(std::int64_t{world.rank()}, Reduction::max), n - 1);
  EXPECT_EQ(world.all_reduce(std::int64_t{world.rank()}, Reduction::min), 0);
}

TEST(Communicator, SumsDoublesInRankOrderSoThatAllRanksHoldTheSameBits) {
  const auto world = Communicator::world();
  const double terms[] = {1e16, 1.0, -1e16, 1.0};
  double expected = terms[0];
  for (int r = 1; r < world.size(); ++r) expected += terms[r % 4];
  EXPECT_EQ(world.all_reduce(terms[world.rank() % 4], Reduction::sum), expected);
}

TEST(Communicator, BroadcastsATextFromAnyRoot) {
  const auto world = Communicator::world();
  for (int root = 0; root < world.size(); ++root) {
    const std::string mine = world.rank() == root ? std::string("text of ") + std::to_string(root) : "ignored";
    EXPECT_EQ(world.broadcast(mine, root), "text of " + std::to_string(root));
    EXPECT_EQ(world.broadcast(std::string(), root), "");
  }
}

TEST(Communicator, GathersTextsInRankOrderOnTheRootOnly) {
  const auto world = Communicator::world();
  const int root = world.size() - 1;
  const auto texts = world.gather(std::string(world.rank(), 'x'), root);
  if (world.rank() != root) {
    EXPECT_TRUE(texts.empty());
    return;
  }
  ASSERT_EQ(static_cast<int>(texts.size()), world.size());
  for (int r = 0; r < world.size(); ++r) EXPECT_EQ(texts[r], std::string(r, 'x'));
}

TEST(Communicator, SplitsByColorAndOrdersByKey) {
  const auto world = Communicator::world();
  const auto part = world.split(world.rank() % 2, -world.rank());
  EXPECT_EQ(part.size(), (world.size() + 1 - world.rank() % 2) / 2);
  const auto members = part.all_gather(std::int64_t{world.rank()});
  EXPECT_TRUE(std::is_sorted(members.rbegin(), members.rend()));
}

TEST(Communicator, IsMovedNotCopied) {
  auto world = Communicator::world();
  const Communicator other = std::move(world);
  EXPECT_EQ(world.get(), MPI_COMM_NULL);
  other.barrier();
}

TEST(Agreement, GivesTheResultWhenNoRankFails) {
  const auto world = Communicator::world();
  EXPECT_EQ(agree(world, [&] { return world.rank() * 2; }), world.rank() * 2);
}

TEST(Agreement, EndsAllRanksWithTheErrorOfTheLowestFailingOne) {
  const auto world = Communicator::world();
  for (int first = 0; first < world.size(); ++first) {
    try {
      agree(world, [&] {
        if (world.rank() >= first)
          throw WriteError("disk full at " + std::to_string(world.rank()), "file.h5", "free some space");
      });
      FAIL() << "no error";
    } catch (const WriteError& error) {
      EXPECT_EQ(error.fact(), "disk full at " + std::to_string(first));
      EXPECT_EQ(error.fix(), "free some space");
      if (world.size() > 1) {
        EXPECT_THAT(error.where(), testing::StartsWith("rank " + std::to_string(first) + " on "));
        EXPECT_THAT(error.where(), testing::EndsWith(": file.h5"));
      } else {
        EXPECT_EQ(error.where(), "file.h5");
      }
      const auto* agreement = dynamic_cast<const Agreement*>(static_cast<const Error*>(&error));
      ASSERT_NE(agreement, nullptr);
      EXPECT_EQ(agreement->ranks, world.size());
    }
  }
}

TEST(Agreement, CallsAForeignExceptionAnInternalError) {
  const auto world = Communicator::world();
  EXPECT_THROW(agree(world,
                     [&] {
                       if (world.rank() == 0) throw std::runtime_error("unforeseen");
                     }),
               InternalError);
}

TEST(Agreement, PassesAnOuterAgreementWithoutNamingTheRankTwice) {
  const auto world = Communicator::world();
  try {
    agree(world, [&] { agree(world, [] { throw DataError("bad", "shard", ""); }); });
    FAIL() << "no error";
  } catch (const DataError& error) {
    EXPECT_EQ(error.where().find("rank 0"), error.where().rfind("rank 0"));
  }
}

}  // namespace
}  // namespace trellis

int main(int argc, char** argv) { return trellis::testing_support::run_mpi_tests(argc, argv); }
