// Errors of a file that all ranks write together through MPI, as HDF5 does. HDF5 1.10 leaves its collective calls half-way on
// a rank on which MPI reports an error, and the others wait for it for ever. So it is not told: this file defines MPI's calls
// that write to files, in front of the library's (MPI's profiling interface is made for that), and keeps what goes wrong for
// the ranks to agree on afterwards, when all have come through.
//
// MPI libraries that swallow errors of their own (Open MPI's ompio with collective buffering does) are found by reading back.
#pragma once

#include <mpi.h>

#include <filesystem>
#include <optional>
#include <string>

namespace trellis {

// While it lives, MPI's writing calls on any file succeed for their caller, on this rank. One at a time in a process.
// Only opening cannot go on: when MPI cannot open a file on some rank, that rank says why, removes `unfinished` (the folder
// that was being filled) and ends the job with ExitCode::write_failed.
class KeptFileErrors {
 public:
  explicit KeptFileErrors(std::filesystem::path unfinished);
  KeptFileErrors(const KeptFileErrors&) = delete;
  KeptFileErrors& operator=(const KeptFileErrors&) = delete;
  ~KeptFileErrors();

  // What went wrong on this rank since the last call, in MPI's words: the first of several.
  std::optional<std::string> take();

 private:
  MPI_Errhandler previous_ = MPI_ERRHANDLER_NULL, handler_ = MPI_ERRHANDLER_NULL;
};

}  // namespace trellis
