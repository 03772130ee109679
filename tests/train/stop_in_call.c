// Preloaded: stops this process (SIGSTOP) before one of its MPI calls, as if its machine had hung there.
//   STOP_CALL  the name, as MPI_Comm_dup      STOP_AT    which of its calls, from 1
//   STOP_RANK  the rank that stops            STOP_PATH  calls count from when this exists
#include <mpi.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void count(const char* call) {
  static int calls = 0;
  const char *wanted = getenv("STOP_CALL"), *at = getenv("STOP_AT"), *rank = getenv("STOP_RANK"), *path = getenv("STOP_PATH");
  const char* own = getenv("OMPI_COMM_WORLD_RANK");
  if (!wanted || !at || !rank || !path || !own || strcmp(wanted, call) != 0 || strcmp(rank, own) != 0 || access(path, F_OK) != 0) return;
  if (++calls == atoi(at)) raise(SIGSTOP);
}

int MPI_Comm_dup(MPI_Comm communicator, MPI_Comm* copy) {
  count("MPI_Comm_dup");
  return PMPI_Comm_dup(communicator, copy);
}
int MPI_Barrier(MPI_Comm communicator) {
  count("MPI_Barrier");
  return PMPI_Barrier(communicator);
}
int MPI_Finalize(void) {
  count("MPI_Finalize");
  return PMPI_Finalize();
}
int MPI_Bcast(void* data, int n, MPI_Datatype type, int root, MPI_Comm communicator) {
  count("MPI_Bcast");
  return PMPI_Bcast(data, n, type, root, communicator);
}
int MPI_Allreduce(const void* from, void* to, int n, MPI_Datatype type, MPI_Op operation, MPI_Comm communicator) {
  count("MPI_Allreduce");
  return PMPI_Allreduce(from, to, n, type, operation, communicator);
}
int MPI_File_open(MPI_Comm communicator, const char* name, int mode, MPI_Info info, MPI_File* file) {
  count("MPI_File_open");
  return PMPI_File_open(communicator, name, mode, info, file);
}
int MPI_File_close(MPI_File* file) {
  count("MPI_File_close");
  return PMPI_File_close(file);
}
int MPI_File_set_view(MPI_File file, MPI_Offset offset, MPI_Datatype element, MPI_Datatype view, const char* representation, MPI_Info info) {
  count("MPI_File_set_view");
  return PMPI_File_set_view(file, offset, element, view, representation, info);
}
int MPI_File_write_at_all(MPI_File file, MPI_Offset offset, const void* data, int n, MPI_Datatype type, MPI_Status* status) {
  count("MPI_File_write_at_all");
  return PMPI_File_write_at_all(file, offset, data, n, type, status);
}
