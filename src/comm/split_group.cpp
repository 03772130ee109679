#include "comm/split_group.h"

#include <utility>

#include "comm/threads/lone_backend.h"

namespace trellis {

SplitGroup split_communicator(const Communicator& communicator, at::Device device, Watchdog* watchdog, StorePtr store) {
  return [&communicator, device, watchdog, store = std::move(store)](int color, int key, const std::string& name) {
    const Communicator part = communicator.split(color, key);
    const std::vector<std::int64_t> members = part.all_gather(std::int64_t{communicator.rank()});
    const BackendPtr backend =
        part.size() == 1 ? BackendPtr(c10::make_intrusive<LoneBackend>())
                         : make_backend(device, part, {.group_name = name, .timeout = backend_timeout(watchdog)}, store);
    return ProcessGroup(backend, name, watchdog, {members.begin(), members.end()});
  };
}

}  // namespace trellis
