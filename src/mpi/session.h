// The lifetime of MPI: one MpiSession in main, before everything that communicates and destroyed after it. Starting
// without mpirun gives a world of one rank.
#pragma once

#include <string>

#include "base/exit_codes.h"

namespace trellis {

class MpiSession {
 public:
  // Initialises MPI with MPI_THREAD_MULTIPLE and names this rank in the log. Before that, sets these Open MPI
  // parameters unless the user's environment has them already:
  //   mpi_yield_when_idle=1     a waiting rank lets its own compute threads and its neighbours have the core
  //   fcoll=dynamic_gen2        collective file writes; the default (vulcan) has hung with this HDF5 (HDF5 bug 1227)
  //   ess_singleton_isolated=1  without mpirun only: no helper daemon, so neither ssh nor rsh need be installed
  //   io_ompio_bytes_per_agg    4 MiB of buffer for collective file writes instead of 32
  //   sharedfp=^sm              without mpirun only: there is no session folder for its shared memory, and it would complain
  // Throws ConfigError when the MPI library offers no MPI_THREAD_MULTIPLE.
  MpiSession(int argc, char** argv);
  MpiSession(const MpiSession&) = delete;
  MpiSession& operator=(const MpiSession&) = delete;

  // Finalises MPI, which waits for all ranks. While an exception unwinds with other ranks present it does not, because
  // they may never arrive: the process then ends without MPI_Finalize, which makes mpirun end the others.
  ~MpiSession();

  int rank() const { return rank_; }
  int size() const { return size_; }
  int local_rank() const { return local_rank_; }  // among the ranks that share this machine's memory
  int local_size() const { return local_size_; }
  int node() const { return node_; }  // the same number for ranks that share a machine's memory, and no others

  // Name and version of the MPI library, such as "Open MPI v4.1.4". Needs no live session.
  static std::string library();

  // Ends every rank of the job at once; mpirun exits with `code`.
  [[noreturn]] void abort(ExitCode code) const;

 private:
  int rank_ = 0, size_ = 1, local_rank_ = 0, local_size_ = 1, node_ = 0;
  int exceptions_at_start_ = 0;
};

}  // namespace trellis
