// The functions of comm/threads/thread_backend.h that start threads as ranks.
#include <ATen/ATen.h>
#include <fmt/format.h>

#include <exception>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <thread>
#include <utility>

#include "comm/threads/thread_backend.h"

namespace trellis {
namespace {

using Backends = std::vector<c10::intrusive_ptr<ThreadBackend>>;

// Runs work(rank) on one thread each; fail(reason) is called for every rank that throws.
template <class Work, class Fail>
void run_ranks_as_threads(int ranks, Work&& work, Fail&& fail) {
  std::mutex mutex;
  std::exception_ptr first;
  {
    std::vector<std::jthread> threads;
    for (int rank = 0; rank < ranks; ++rank)
      threads.emplace_back([&, rank] {
        std::string reason = fmt::format("rank {} failed", rank);
        try {
          work(rank);
          return;
        } catch (const std::exception& error) {
          reason += std::string(": ") + error.what();
          const std::lock_guard lock(mutex);
          if (!first) first = std::current_exception();
        } catch (...) {
          const std::lock_guard lock(mutex);
          if (!first) first = std::current_exception();
        }
        fail(reason);
      });
  }
  if (first) std::rethrow_exception(first);
}

// Every group that was split from a world of threads.
class ThreadSplits {
 public:
  // The backends of the group that the `call`-th split of each rank makes for `color`.
  Backends backends(int call, std::int64_t color, int ranks) {
    const std::lock_guard lock(mutex_);
    Backends& group = groups_[{call, color}];
    if (group.empty()) {
      group = make_thread_backends(ranks);
      if (!failure_.empty()) group[0]->fail(failure_);
    }
    return group;
  }
  void fail(const std::string& reason) {
    const std::lock_guard lock(mutex_);
    if (failure_.empty()) failure_ = reason;
    for (const auto& [key, group] : groups_) group[0]->fail(reason);
  }

 private:
  std::mutex mutex_;
  std::string failure_;
  std::map<std::pair<int, std::int64_t>, Backends> groups_;
};

// The split of one rank.
SplitGroup split_threads(const ProcessGroup& world, const std::shared_ptr<ThreadSplits>& splits) {
  return [world, splits, calls = std::make_shared<int>(0)](int color, int key, const std::string& name) {
    const at::Tensor own = at::tensor({std::int64_t{color}, std::int64_t{key}}), all = at::empty({world.size(), 2}, at::kLong);
    world.all_gather(all, own);
    // ordered by key, then by rank in the world
    std::set<std::pair<std::int64_t, int>> members;
    for (int rank = 0; rank < world.size(); ++rank) {
      if (all[rank][0].item<std::int64_t>() == color) members.emplace(all[rank][1].item<std::int64_t>(), rank);
    }
    const Backends group = splits->backends((*calls)++, color, static_cast<int>(members.size()));
    const auto place = std::distance(members.begin(), members.find({key, world.rank()}));
    std::vector<int> ranks;
    for (const auto& [key_of_member, member] : members) ranks.push_back(member);
    return ProcessGroup(group[static_cast<std::size_t>(place)], name, world.watchdog(), std::move(ranks));
  };
}

}  // namespace

void run_thread_ranks(int ranks, const std::function<void(const c10::intrusive_ptr<c10d::Backend>&, int)>& fn) {
  const Backends backends = make_thread_backends(ranks);
  run_ranks_as_threads(
      ranks, [&](int rank) { fn(backends[rank], rank); }, [&](const std::string& reason) { backends[0]->fail(reason); });
}

void run_thread_mesh(int ranks, const std::function<void(const ProcessGroup&, const SplitGroup&, int)>& fn) {
  const Backends backends = make_thread_backends(ranks);
  const auto splits = std::make_shared<ThreadSplits>();
  const auto work = [&](int rank) {
    const ProcessGroup world(backends[rank]);
    fn(world, split_threads(world, splits), rank);
  };
  run_ranks_as_threads(ranks, work, [&](const std::string& reason) {
    backends[0]->fail(reason);
    splits->fail(reason);
  });
}

}  // namespace trellis
