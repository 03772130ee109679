// A test's own world of one rank, without mpirun, and an empty folder. MPI starts with the first such test of the
// process.
#pragma once

#include <gtest/gtest.h>

#include "mpi/session.h"
#include "tests/checkpoint/sample_helpers.h"

namespace trellis::testing_support {

class OneRank : public testing::Test {
 protected:
  static const MpiSession& session() {
    static const MpiSession instance(0, nullptr);
    return instance;
  }
  const MpiSession& mpi = session();
  Communicator world = Communicator::world();
  SharedFolder folder{world};
  const std::filesystem::path& root = folder.path();
};

// Runs `action`, which must throw an Error of type Expected, and gives it back.
template <class Expected, class Action>
Expected error_of(Action&& action) {
  try {
    action();
  } catch (const Expected& error) {
    return error;
  } catch (const std::exception& error) {
    ADD_FAILURE() << "another error: " << error.what();
    return Expected("", "", "");
  }
  ADD_FAILURE() << "no error";
  return Expected("", "", "");
}

}  // namespace trellis::testing_support
