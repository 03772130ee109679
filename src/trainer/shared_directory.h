// Whether the ranks of a job mean the same folder by their paths: with folders of their own each would wait for the others' part
// of a file that nobody else sees.
#pragma once

#include "mpi/communicator.h"
#include "trainer/run_directory.h"

namespace trellis {

// Collective. Rank 0 makes a file in the run's folder, which is there on its machine, and one in the folder of its checkpoints, if
// that is there, too: it may lie elsewhere. Every other rank has to find them within two seconds, which leaves network file systems
// time. The files are gone afterwards. Throws, alike on every rank, ConfigError that names the ranks and both places, WriteError
// where rank 0 cannot make a file.
void expect_shared(const Communicator& communicator, const RunDirectory& run);

}  // namespace trellis
