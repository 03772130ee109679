// Who hashes a corpus: each file once on every machine.
#pragma once

#include <string>

#include "base/verify.h"
#include "mpi/communicator.h"
#include "train/dataset.h"

namespace trellis {

// Collective. Verify::hash on the first of the ranks that have the very same files of a split before them; the others of them need
// check structure only. A rank with another copy, on another machine or by another path, hashes that one.
Verify verification_of(const Communicator& communicator, const Dataset& data, const std::string& split);

}  // namespace trellis
