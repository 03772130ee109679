#include "mpi/file_errors.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fmt/core.h>
#include <utility>

#include "base/exit_codes.h"
#include "base/host_name.h"
#include "base/log.h"
#include "mpi/check.h"

namespace trellis {
namespace {

// MPI's handlers and calls take no argument of ours.
struct Kept {
  std::filesystem::path unfinished;
  std::optional<std::string> first;
};
Kept* kept = nullptr;

std::string text_of(int code) {
  char text[MPI_MAX_ERROR_STRING] = {};
  int length = 0;
  MPI_Error_string(code, text, &length);
  return std::string(text, static_cast<std::size_t>(length));
}

// The system's reason stands in errno when an MPI library has just come back from a failed write, and is 0 otherwise.
void keep(const char* call, const std::string& reason, int system_error) {
  if (kept->first) return;
  kept->first = fmt::format("{}: {}", call, reason);
  if (system_error != 0) *kept->first += fmt::format(" ({})", std::strerror(system_error));
}

// The result of one of MPI's calls as its caller gets it.
template <class Call>
int settled(const char* name, const Call& call) {
  if (kept == nullptr) return call();
  errno = 0;
  const int code = call();
  if (code != MPI_SUCCESS) keep(name, text_of(code), errno);
  return MPI_SUCCESS;
}

// A write's status counts the bytes that were written; HDF5 compares them with what it gave, so they are set right, too.
int settled_write(const char* name, int count, MPI_Datatype type, MPI_Status* status, int code, int system_error) {
  if (kept == nullptr) return code;
  int element_bytes = 0, written = 0;
  MPI_Type_size(type, &element_bytes);
  const int wanted = count * element_bytes;  // calls of a checkpoint's writer stay far below 2 GiB
  if (status != MPI_STATUS_IGNORE) MPI_Get_elements(status, MPI_BYTE, &written);
  if (code != MPI_SUCCESS) {
    keep(name, text_of(code), system_error);
  } else if (status != MPI_STATUS_IGNORE && written != wanted) {
    keep(name, fmt::format("{} of {} bytes were written", written, wanted), system_error);
  }
  if (status != MPI_STATUS_IGNORE && written != wanted) MPI_Status_set_elements(status, MPI_BYTE, wanted);
  return MPI_SUCCESS;
}

void on_file_error(MPI_File* file, int* code, ...) {
  if (file != nullptr && *file != MPI_FILE_NULL) return;  // on an open file: the call that met it keeps it
  const std::filesystem::path where = kept != nullptr ? kept->unfinished : std::filesystem::path();
  log_error("cannot open a file that all ranks write: {}\n  where: {}\n  on:    host {}\n  fix:   check the disk's space and health",
            text_of(*code), where.string(), host_name());
  std::error_code ignored;
  if (!where.empty()) std::filesystem::remove_all(where, ignored);
  std::fflush(nullptr);
  MPI_Abort(MPI_COMM_WORLD, static_cast<int>(ExitCode::write_failed));
}

}  // namespace

// The handler of MPI_FILE_NULL is the one that every file gets when it is opened.
KeptFileErrors::KeptFileErrors(std::filesystem::path unfinished) {
  static Kept here;
  here = {std::move(unfinished), std::nullopt};
  kept = &here;
  check_mpi(MPI_File_get_errhandler(MPI_FILE_NULL, &previous_), "MPI_File_get_errhandler");
  check_mpi(MPI_File_create_errhandler(on_file_error, &handler_), "MPI_File_create_errhandler");
  check_mpi(MPI_File_set_errhandler(MPI_FILE_NULL, handler_), "MPI_File_set_errhandler");
}

KeptFileErrors::~KeptFileErrors() {
  kept = nullptr;
  MPI_File_set_errhandler(MPI_FILE_NULL, previous_);
  MPI_Errhandler_free(&handler_);
  MPI_Errhandler_free(&previous_);
}

std::optional<std::string> KeptFileErrors::take() { return std::exchange(kept->first, std::nullopt); }

}  // namespace trellis

// MPI's own names, found before the library's. Constness as in <mpi.h>.
extern "C" {

int MPI_File_write_at(MPI_File file, MPI_Offset offset, const void* data, int count, MPI_Datatype type, MPI_Status* status) {
  errno = 0;
  const int code = PMPI_File_write_at(file, offset, data, count, type, status);
  return trellis::settled_write("MPI_File_write_at", count, type, status, code, errno);
}

int MPI_File_write_at_all(MPI_File file, MPI_Offset offset, const void* data, int count, MPI_Datatype type, MPI_Status* status) {
  errno = 0;
  const int code = PMPI_File_write_at_all(file, offset, data, count, type, status);
  return trellis::settled_write("MPI_File_write_at_all", count, type, status, code, errno);
}

int MPI_File_sync(MPI_File file) {
  return trellis::settled("MPI_File_sync", [&] { return PMPI_File_sync(file); });
}

int MPI_File_set_size(MPI_File file, MPI_Offset size) {
  return trellis::settled("MPI_File_set_size", [&] { return PMPI_File_set_size(file, size); });
}

}  // extern "C"
