// Cost of an all-reduce of float32 over MPI ranks by size: MPI's own, MpiBackend through messages, and MpiBackend as it
// chooses (shared memory on one node), called blocking and by its thread.
//   mpirun -n 2 build/tests/allreduce_bandwidth
// Bandwidth is tensor bytes over the time of the slowest rank; median of the repetitions.
#include <ATen/ATen.h>
#include <fmt/core.h>
#include <mpi.h>

#include <algorithm>
#include <cstdio>
#include <functional>
#include <vector>

#include "comm/mpi/mpi_backend.h"
#include "comm/process_group.h"
#include "mpi/session.h"

namespace trellis {
namespace {

double median_seconds(const Communicator& world, const std::function<void()>& operation, int repetitions) {
  for (int i = 0; i < 3; ++i) operation();
  std::vector<double> seconds(repetitions);
  for (double& second : seconds) {
    world.barrier();
    const double start = MPI_Wtime();
    operation();
    second = world.all_reduce(MPI_Wtime() - start, Reduction::max);
  }
  std::sort(seconds.begin(), seconds.end());
  return seconds[repetitions / 2];
}

void run() {
  const Communicator world = Communicator::world();
  const auto automatic = c10::make_intrusive<MpiBackend>(world);
  MpiBackend::Options options;
  options.path = MpiBackend::Path::messages;
  const ProcessGroup chosen(automatic), messages(c10::make_intrusive<MpiBackend>(world, options));
  if (world.rank() == 0)
    fmt::print("{} ranks, shared memory {}\n{:>10} {:>22} {:>22} {:>22} {:>22}\n", world.size(),
               automatic->uses_shared_memory() ? "yes" : "no", "bytes", "MPI_Allreduce", "messages", "MpiBackend", "its thread");
  for (const std::int64_t count : {256, 16'384, 262'144, 5'000'000}) {
    const at::Tensor tensor = at::zeros({count});
    float* data = tensor.data_ptr<float>();
    const std::vector<std::function<void()>> ways = {
        [&] { MPI_Allreduce(MPI_IN_PLACE, data, static_cast<int>(count), MPI_FLOAT, MPI_SUM, world.get()); },
        [&] { messages.all_reduce(tensor, Reduction::sum); },
        [&] { chosen.all_reduce(tensor, Reduction::sum); },
        [&] { chosen.start_all_reduce(tensor, Reduction::sum).wait(); },
    };
    std::string line = fmt::format("{:>10}", count * 4);
    for (const auto& way : ways) {
      const double seconds = median_seconds(world, way, count > 1'000'000 ? 21 : 201);
      line += fmt::format(" {:>8.3f} ms {:>5.2f} GB/s", seconds * 1e3, static_cast<double>(count) * 4e-9 / seconds);
    }
    if (world.rank() == 0) {
      fmt::print("{}\n", line);
      std::fflush(stdout);
    }
  }
}

}  // namespace
}  // namespace trellis

int main(int argc, char** argv) {
  const trellis::MpiSession session(argc, argv);
  trellis::run();
}
