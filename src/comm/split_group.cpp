#include "comm/split_group.h"

#include <utility>

#include "comm/lone_backend.h"

namespace trellis {

SplitGroup split_communicator(const Communicator& communicator, at::Device device, Watchdog* watchdog, StorePtr store) {
  return [&communicator, device, watchdog, store = std::move(store)](int color, int key, const std::string& name) {
    const Communicator part = communicator.split(color, key);
    if (part.size() == 1) return ProcessGroup(c10::make_intrusive<LoneBackend>(), name, watchdog);
    return ProcessGroup(make_backend(device, part, {.group_name = name}, store), name, watchdog);
  };
}

}  // namespace trellis
