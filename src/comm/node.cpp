#include "comm/node.h"

#include <mpi.h>

#include "mpi/check.h"

namespace trellis {

bool all_on_one_node(const Communicator& communicator) {
  MPI_Comm node = MPI_COMM_NULL;
  check_mpi(MPI_Comm_split_type(communicator.get(), MPI_COMM_TYPE_SHARED, communicator.rank(), MPI_INFO_NULL, &node),
            "MPI_Comm_split_type");
  int on_node = 0;
  MPI_Comm_size(node, &on_node);
  MPI_Comm_free(&node);
  return communicator.all_reduce(std::int64_t{on_node}, Reduction::min) == communicator.size();
}

}  // namespace trellis
