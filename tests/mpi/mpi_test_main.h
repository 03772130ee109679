// The main of a test program that mpirun starts: every rank runs every test; the program fails if any rank does.
// Rank 0 prints the usual report, the others only their failures. A fatal failure aborts the job, since the other ranks
// may be waiting in a collective call for the one that left its test.
#pragma once

#include <cstdio>
#include <gtest/gtest.h>

#include "mpi/communicator.h"
#include "mpi/session.h"

namespace trellis::testing_support {

class RankFailures : public testing::EmptyTestEventListener {
 public:
  explicit RankFailures(const MpiSession& session) : session_(session) {}
  void OnTestPartResult(const testing::TestPartResult& result) override {
    if (!result.failed()) return;
    std::fprintf(stderr, "[rank %d] %s:%d: %s\n", session_.rank(), result.file_name() ? result.file_name() : "",
                 result.line_number(), result.message());
    std::fflush(nullptr);
    if (result.fatally_failed() && session_.size() > 1) session_.abort(ExitCode::internal);
  }

 private:
  const MpiSession& session_;
};

inline int run_mpi_tests(int argc, char** argv) {
  const MpiSession session(argc, argv);
  testing::InitGoogleTest(&argc, argv);
  auto& listeners = testing::UnitTest::GetInstance()->listeners();
  if (session.rank() != 0) delete listeners.Release(listeners.default_result_printer());
  listeners.Append(new RankFailures(session));
  const std::int64_t failed = RUN_ALL_TESTS() == 0 ? 0 : 1;
  return static_cast<int>(Communicator::world().all_reduce(failed, Reduction::max));
}

}  // namespace trellis::testing_support
