#include "mpi/check.h"

#include <mpi.h>

#include "base/errors.h"

namespace trellis {

void check_mpi(int code, const char* call) {
  if (code == MPI_SUCCESS) return;
  char text[MPI_MAX_ERROR_STRING] = {};
  int length = 0;
  MPI_Error_string(code, text, &length);
  throw InternalError(std::string(call) + " failed: " + std::string(text, length), "MPI library",
                      "check that all ranks run the same program on the same MPI installation");
}

}  // namespace trellis
