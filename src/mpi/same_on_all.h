// Holds what the ranks were given against each other before they work together.
#pragma once

#include "base/facts.h"
#include "mpi/communicator.h"

namespace trellis {

// Collective. Returns where all ranks have the same facts; else every rank throws the same agreed error, which names the first
// difference, who has which value, and what to do (error_of in base/facts.h). One broadcast of some thousand bytes where
// all is well.
void expect_same_on_all(const Communicator& communicator, const Facts& facts);

}  // namespace trellis
