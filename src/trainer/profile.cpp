#include "trainer/profile.h"

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <functional>
#include <numeric>
#include <utility>

#include "base/host_name.h"
#include "base/log.h"
#include "base/system_error.h"
#include "mpi/agreement.h"
#include "report/span_costs.h"
#include "report/trace.h"
#include "storage/file.h"

namespace trellis {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kLinesOfTable = 10;
// Clocks that differ by more right after a barrier are not one clock.
constexpr std::int64_t kLongestBarrierNs = 1'000'000'000;

// The same for processes of one running kernel, whose steady clock is one; of its own for a rank that cannot know.
std::int64_t clock_identity(int rank) {
  std::string text;
  std::ifstream("/proc/sys/kernel/random/boot_id") >> text;
  if (text.empty()) text = fmt::format("rank {}", rank);
  return static_cast<std::int64_t>(std::hash<std::string>()(text));
}

// This rank's reading of the moment that is the timeline's zero: when the first of its machine came out of a barrier.
std::int64_t common_origin(const Communicator& world) {
  world.barrier();  // whoever is late is late here
  world.barrier();
  const std::int64_t own = steady_nanoseconds();
  const std::int64_t mine[] = {clock_identity(world.rank()), own};
  const std::vector<std::int64_t> all = world.all_gather(mine);
  std::int64_t origin = own;
  for (std::size_t rank = 0; rank < all.size() / 2; ++rank) {
    const std::int64_t other = all[2 * rank + 1];
    if (all[2 * rank] == mine[0] && std::abs(other - own) < kLongestBarrierNs) origin = std::min(origin, other);
  }
  return origin;
}

void append(const fs::path& path, const std::string& text) {
  const File file = File::open_to_write(path);
  file.write_at(file.size(), std::as_bytes(std::span(text)));
}

// `wanted`, or the first of NAME.2.json, NAME.3.json, ... that is free.
fs::path free_name(const fs::path& wanted) {
  fs::path name = wanted;
  for (int n = 2; kind_of_entry(name) != PathKind::absent; ++n) name = wanted.parent_path() / fmt::format("{}.{}.json", wanted.stem().string(), n);
  return name;
}

}  // namespace

void Profile::make_folder() const {
  agree(ranks_.world, [&] {
    if (ranks_.rank() != 0) return;
    std::error_code error;
    fs::create_directories(folder_, error);
    if (error) throw_write_error(folder_, "make the folder for profiles", error.value());
  });
}

void Profile::begin() {
  name_this_thread("training");
  origin_ns_ = common_origin(ranks_.world);
  recorder_.start();
  recording_ = true;
}

fs::path Profile::write(const ProfiledSteps& recorded, const std::vector<std::int64_t>& dropped) const {
  const std::string name = fmt::format("steps-{}-{}.json", recorded.first, recorded.last);
  const fs::path unfinished = folder_ / (".tmp-" + name);
  const auto removed_on_error = [&](const auto& local) {  // collective
    try {
      return agree(ranks_.world, local);
    } catch (...) {
      std::error_code ignored;
      if (ranks_.rank() == 0) fs::remove(unfinished, ignored);
      throw;
    }
  };
  removed_on_error([&] {
    if (ranks_.rank() != 0) return;
    std::error_code ignored;
    fs::remove(unfinished, ignored);  // of a process that was killed
    File::create(unfinished);
    append(unfinished, trace_head());
  });
  const std::string own = trace_of_rank({.rank = ranks_.rank(), .host = host_name(), .origin_ns = origin_ns_}, recorder_);
  for (int rank = 0; rank < ranks_.size(); ++rank) {
    removed_on_error([&] {
      if (rank == ranks_.rank()) append(unfinished, own);
    });
  }
  return removed_on_error([&] {
    if (ranks_.rank() != 0) return fs::path();
    append(unfinished, trace_tail({.first_step = recorded.first, .last_step = recorded.last, .dropped = dropped}));
    const fs::path path = free_name(folder_ / name);
    std::error_code error;
    fs::rename(unfinished, path, error);
    if (error) throw_write_error(path, "give the profile its name", error.value());
    return path;
  });
}

void Profile::end(std::int64_t last) {
  recorder_.stop();
  recording_ = false;
  const ProfiledSteps recorded{steps_.first, last};
  const std::vector<std::int64_t> dropped = ranks_.world.all_gather(static_cast<std::int64_t>(recorder_.dropped()));
  const fs::path path = write(recorded, dropped);
  if (ranks_.rank() != 0) return;
  const std::int64_t steps = last - steps_.first + 1, lost = std::accumulate(dropped.begin(), dropped.end(), std::int64_t{0});
  if (last < steps_.last) log_warning("the run ends with step {}: the profile holds no later steps", last);
  if (lost > 0) {
    log_warning("{} spans of {} rank(s) found no room in the profile, the last ones: profile fewer steps at once", lost, ranks_.size());
  }
  const std::vector<SpanCost> costs = span_costs(recorder_.spans(), 0);
  double seconds = 0;
  for (const SpanCost& cost : costs) seconds += cost.own_seconds;
  log_info("profile of steps {} to {} in {} (open it in ui.perfetto.dev)\n"
           "{:.1f} ms a step on rank 0; most time of their own, without spans within, took\n{}",
           recorded.first, last, path.string(), 1e3 * seconds / static_cast<double>(steps), span_costs_table(costs, kLinesOfTable));
}

}  // namespace trellis
