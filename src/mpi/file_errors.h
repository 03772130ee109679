// What happens when a write of one rank fails inside a collective write of a file. HDF5 1.10 leaves the collective call
// half-way on that rank, and the others wait for it for ever; no agreement can be reached any more.
#pragma once

#include <mpi.h>

namespace trellis {

// While it lives, files that are opened through MPI (HDF5 does) end the whole job when MPI reports an error on them:
// the failing rank prints the reason, mpirun exits with ExitCode::write_failed. MPI libraries that swallow such errors
// (Open MPI's ompio with collective buffering does) are not affected: there only reading back finds them.
class AbortOnFileError {
 public:
  AbortOnFileError();
  AbortOnFileError(const AbortOnFileError&) = delete;
  AbortOnFileError& operator=(const AbortOnFileError&) = delete;
  ~AbortOnFileError();

 private:
  MPI_Errhandler previous_ = MPI_ERRHANDLER_NULL, handler_ = MPI_ERRHANDLER_NULL;
};

}  // namespace trellis
