#include "mpi/file_errors.h"

#include <cstdio>
#include <string>

#include "base/exit_codes.h"
#include "base/log.h"
#include "mpi/check.h"

namespace trellis {
namespace {

void end_job(MPI_File*, int* code, ...) {
  char text[MPI_MAX_ERROR_STRING] = {}, host[MPI_MAX_PROCESSOR_NAME] = {};
  int length = 0;
  MPI_Error_string(*code, text, &length);
  MPI_Get_processor_name(host, &length);
  log_error(
      "cannot write a file that all ranks write: {}\n  on:    host {}\n  fix:   check the disk's space and health",
      text, host);
  std::fflush(nullptr);
  MPI_Abort(MPI_COMM_WORLD, static_cast<int>(ExitCode::write_failed));
}

}  // namespace

// The handler of MPI_FILE_NULL is the one that every file gets when it is opened.
AbortOnFileError::AbortOnFileError() {
  check_mpi(MPI_File_get_errhandler(MPI_FILE_NULL, &previous_), "MPI_File_get_errhandler");
  check_mpi(MPI_File_create_errhandler(end_job, &handler_), "MPI_File_create_errhandler");
  check_mpi(MPI_File_set_errhandler(MPI_FILE_NULL, handler_), "MPI_File_set_errhandler");
}

AbortOnFileError::~AbortOnFileError() {
  MPI_File_set_errhandler(MPI_FILE_NULL, previous_);
  MPI_Errhandler_free(&handler_);
  MPI_Errhandler_free(&previous_);
}

}  // namespace trellis
