// What every rank of a job has to run alike: the program and the libraries that its numbers and its files come from.
#pragma once

#include "base/facts.h"

namespace trellis {

// Version and build of this program; LibTorch, MPI and HDF5 as they were loaded. A build is told by the build id that the linker
// left in the file: equal for equal files, whatever folder they lie in.
Facts program_facts();

}  // namespace trellis
