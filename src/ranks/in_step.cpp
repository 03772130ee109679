#include "ranks/in_step.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <optional>

#include "base/stop_request.h"
#include "mpi/agreement.h"

namespace trellis {
namespace {

constexpr double kSecondsBetweenPauses = 0.5;

double seconds_since(std::chrono::steady_clock::time_point begun) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
}

// How many pieces take about that long, where `pieces` took the slowest rank `seconds`: at least one, and at most twice as many as
// before, for the next may be slower.
std::int64_t pieces_between_pauses(std::int64_t pieces, double seconds) {
  const double fitting = static_cast<double>(pieces) * kSecondsBetweenPauses / std::max(seconds, 1e-9);
  return static_cast<std::int64_t>(std::clamp(fitting, 1.0, 2.0 * static_cast<double>(pieces)));
}

}  // namespace

void work_in_step(const Communicator& world, std::int64_t count, const std::function<void(std::int64_t)>& piece, const AtPause& at_pause) {
  std::optional<Error> error;
  for (std::int64_t done = 0, pieces = 1; done < count;) {
    const auto begun = std::chrono::steady_clock::now();
    const std::int64_t end = std::min(done + pieces, count);
    try {
      for (std::int64_t n = done; n < end; ++n) piece(n);
    } catch (...) {
      error = current_error();
    }
    done = end;
    std::array<std::int64_t, 4> seen{error.has_value(), stop_requested().has_value(), checkpoint_requested(),
                                     std::llround(1e6 * seconds_since(begun))};
    world.all_reduce(seen, Reduction::max);
    if (seen[0] != 0) agree_on_error(world, error);
    if (done < count) at_pause({.done = done, .count = count, .stop = seen[1] != 0, .checkpoint = seen[2] != 0});
    pieces = pieces_between_pauses(pieces, 1e-6 * static_cast<double>(seen[3]));
  }
}

}  // namespace trellis
