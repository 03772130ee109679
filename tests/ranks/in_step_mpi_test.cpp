// Work that ranks do in step: complete where nothing happens; what one rank is asked for, or meets, all answer at the same piece.
#include "ranks/in_step.h"

#include <gmock/gmock.h>

#include <chrono>
#include <csignal>
#include <thread>
#include <vector>

#include "base/errors.h"
#include "base/stop_request.h"
#include "tests/mpi/mpi_test_main.h"

namespace trellis {
namespace {

using namespace std::chrono_literals;

class InStep : public testing::Test {
 protected:
  InStep() { forget_requests(); }
  ~InStep() override { forget_requests(); }
  bool last() const { return world.rank() == world.size() - 1; }

  const Communicator world = Communicator::world();
};

TEST_F(InStep, EveryPieceIsDoneOnceAndInOrder) {
  for (const std::int64_t count : {0, 1, 2, 1000}) {
    std::vector<std::int64_t> pieces;
    work_in_step(world, count, [&](std::int64_t n) { pieces.push_back(n); }, [&](const Pause& pause) {
      EXPECT_FALSE(pause.stop);
      EXPECT_FALSE(pause.checkpoint);
      EXPECT_EQ(pause.done, static_cast<std::int64_t>(pieces.size()));
      EXPECT_LT(pause.done, count);
      EXPECT_EQ(pause.count, count);
    });
    ASSERT_EQ(static_cast<std::int64_t>(pieces.size()), count);
    for (std::int64_t n = 0; n < count; ++n) EXPECT_EQ(pieces[static_cast<std::size_t>(n)], n);
  }
}

TEST_F(InStep, AllRanksAnswerWhatOneIsAskedForAtTheSamePiece) {
  std::int64_t checkpoints = 0, left_at = 0;
  struct Left {};
  const auto piece = [&](std::int64_t n) {
    std::this_thread::sleep_for(1ms);
    if (last() && n == 3) note_signal(SIGUSR1);
    if (last() && n == 40) note_signal(SIGTERM);
  };
  const auto answer = [&](const Pause& pause) {
    if (pause.checkpoint) ++checkpoints, checkpoint_request_met();
    left_at = pause.done;
    if (pause.stop) throw Left{};
  };
  const auto begun = std::chrono::steady_clock::now();
  EXPECT_THROW(work_in_step(world, 1'000'000, piece, answer), Left);
  EXPECT_LT(std::chrono::steady_clock::now() - begun, 30s);
  EXPECT_EQ(checkpoints, 1);
  EXPECT_GT(left_at, 40);
  EXPECT_EQ(world.all_reduce(left_at, Reduction::min), world.all_reduce(left_at, Reduction::max));
}

TEST_F(InStep, PausesComeAboutTwiceASecondHoweverUnevenTheRanksAre) {
  std::int64_t pauses = 0;
  work_in_step(world, 400, [&](std::int64_t) { std::this_thread::sleep_for(last() ? 5ms : 1ms); }, [&](const Pause&) { ++pauses; });
  EXPECT_GE(pauses, 4);   // 1, 2, 4, ... pieces, then half a second's
  EXPECT_LE(pauses, 30);  // 400 pieces
}

TEST_F(InStep, AnErrorOfOneRankEndsTheWorkOfAll) {
  std::int64_t done = 0;
  const auto piece = [&](std::int64_t n) {
    if (last() && n == 5) throw DataError("token 9 of 8", "shard", "rebuild it");
    ++done;
  };
  EXPECT_THROW(work_in_step(world, 1'000'000, piece, [](const Pause&) {}), DataError);
  EXPECT_LT(done, 1'000'000);
  EXPECT_THROW(work_in_step(world, 6, piece, [](const Pause&) {}), DataError) << "in the last piece";
}

}  // namespace
}  // namespace trellis

int main(int argc, char** argv) { return trellis::testing_support::run_mpi_tests(argc, argv); }
