// Turns the return code of an MPI call into an exception. Communicators made here return errors instead of aborting.
#pragma once

namespace trellis {

// Throws InternalError naming `call` and the MPI library's own text unless `code` is MPI_SUCCESS.
void check_mpi(int code, const char* call);

}  // namespace trellis
