#include "mpi/session.h"

#include <cstdlib>
#include <exception>
#include <mpi.h>

#include "base/errors.h"
#include "base/kept_signals.h"
#include "base/log.h"
#include "mpi/check.h"

namespace trellis {
namespace {

void set_environment_defaults() {
  constexpr int keep = 0;  // never overwrite what the user or mpirun has set
  setenv("OMPI_MCA_mpi_yield_when_idle", "1", keep);
  setenv("OMPI_MCA_fcoll", "dynamic_gen2", keep);
  setenv("OMPI_MCA_io_ompio_bytes_per_agg", "4194304", keep);
  const bool started_by_launcher = std::getenv("OMPI_COMM_WORLD_SIZE") || std::getenv("PMIX_RANK") ||
                                   std::getenv("PMI_RANK") || std::getenv("OMPI_MCA_ess_base_jobid");
  if (!started_by_launcher) {
    setenv("OMPI_MCA_ess_singleton_isolated", "1", keep);
    setenv("OMPI_MCA_plm", "isolated", keep);
    setenv("OMPI_MCA_sharedfp", "^sm", keep);
  }
}

}  // namespace

MpiSession::MpiSession(int argc, char** argv) : exceptions_at_start_(std::uncaught_exceptions()) {
  set_environment_defaults();
  int provided = MPI_THREAD_SINGLE;
  {
    const KeptSignals kept;  // it loads plugins, and with them other libraries
    check_mpi(MPI_Init_thread(&argc, &argv, MPI_THREAD_MULTIPLE, &provided), "MPI_Init_thread");
  }
  MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
  MPI_Comm_set_errhandler(MPI_COMM_SELF, MPI_ERRORS_RETURN);
  MPI_Comm_rank(MPI_COMM_WORLD, &rank_);
  MPI_Comm_size(MPI_COMM_WORLD, &size_);
  set_log_rank(rank_, size_);

  MPI_Comm node = MPI_COMM_NULL;
  check_mpi(MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, rank_, MPI_INFO_NULL, &node),
            "MPI_Comm_split_type");
  MPI_Comm_rank(node, &local_rank_);
  MPI_Comm_size(node, &local_size_);
  node_ = rank_;
  check_mpi(MPI_Bcast(&node_, 1, MPI_INT, 0, node), "MPI_Bcast");
  MPI_Comm_free(&node);

  if (provided < MPI_THREAD_MULTIPLE) {
    MPI_Finalize();  // the destructor does not run for an object whose constructor throws
    throw ConfigError("the MPI library offers thread level " + std::to_string(provided) +
                          ", but MPI_THREAD_MULTIPLE (" + std::to_string(MPI_THREAD_MULTIPLE) + ") is needed",
                      "MPI_Init_thread", "use an MPI built with thread support, as Debian's Open MPI is");
  }
}

MpiSession::~MpiSession() {
  const bool unwinding = std::uncaught_exceptions() > exceptions_at_start_;
  if (unwinding && size_ > 1) return;
  MPI_Finalize();
}

std::string MpiSession::library() {
  char text[MPI_MAX_LIBRARY_VERSION_STRING] = {};
  int length = 0;
  MPI_Get_library_version(text, &length);
  const std::string whole(text, length);
  return whole.substr(0, whole.find_first_of(",\n"));
}

void MpiSession::abort(ExitCode code) const {
  MPI_Abort(MPI_COMM_WORLD, static_cast<int>(code));
  std::_Exit(static_cast<int>(code));  // MPI_Abort is not declared noreturn
}

}  // namespace trellis
