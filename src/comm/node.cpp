#include "comm/node.h"

#include <mpi.h>

#include "mpi/check.h"
#include "mpi/wait_monitor.h"

namespace trellis {

NodePlace node_place(const Communicator& communicator) {
  const MonitoredWait monitored("the making of a communicator");
  MPI_Comm node = MPI_COMM_NULL;
  check_mpi(MPI_Comm_split_type(communicator.get(), MPI_COMM_TYPE_SHARED, communicator.rank(), MPI_INFO_NULL, &node),
            "MPI_Comm_split_type");
  NodePlace place;
  MPI_Comm_rank(node, &place.rank);
  MPI_Comm_size(node, &place.size);
  MPI_Comm_free(&node);
  return place;
}

bool all_on_one_node(const Communicator& communicator) {
  return communicator.all_reduce(std::int64_t{node_place(communicator).size}, Reduction::min) == communicator.size();
}

}  // namespace trellis
