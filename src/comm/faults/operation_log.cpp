#include "comm/faults/operation_log.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <span>
#include <utility>

namespace trellis {

void OperationRecord::set_tensor(const at::Tensor& tensor) {
  if (!tensor.defined()) return;
  dimensions = static_cast<int>(tensor.dim());
  dtype = tensor.scalar_type();
  for (std::size_t i = 0; i < std::min<std::size_t>(sizes.size(), tensor.dim()); ++i) sizes[i] = tensor.size(static_cast<std::int64_t>(i));
}

const char* OperationRecord::name() const {
  switch (operation) {
    case Operation::all_reduce: return "all_reduce";
    case Operation::reduce_scatter: return "reduce_scatter";
    case Operation::all_gather: return "all_gather";
    case Operation::all_to_all: return "all_to_all";
    case Operation::broadcast: return "broadcast";
    case Operation::barrier: return "barrier";
    case Operation::send: return "send";
    case Operation::receive: return "receive";
  }
  return "";
}

std::string OperationRecord::tensor() const {
  if (dimensions < 0) return "";
  const std::size_t shown = std::min<std::size_t>(sizes.size(), static_cast<std::size_t>(dimensions));
  return fmt::format("{} [{}{}]", c10::toString(dtype), fmt::join(std::span(sizes).first(shown), ", "),
                     static_cast<std::size_t>(dimensions) > shown ? ", ..." : "");
}

std::string OperationRecord::text() const {
  std::string text = fmt::format("{} {}", name(), number);
  if (dimensions >= 0) text += " of " + tensor();
  if (operation == Operation::send) text += fmt::format(" to rank {} with tag {}", peer, tag);
  if (operation == Operation::receive) text += fmt::format(" from rank {} with tag {}", peer, tag);
  if (operation == Operation::broadcast) text += fmt::format(" from rank {}", peer);
  return text;
}

int OperationLog::add_group(std::string name, std::vector<int> members) {
  const std::lock_guard lock(mutex_);
  groups_.push_back({std::move(name), std::move(members)});
  return static_cast<int>(groups_.size()) - 1;
}

std::uint64_t OperationLog::begin(OperationRecord record) {
  record.begun = std::chrono::steady_clock::now();
  const std::lock_guard lock(mutex_);
  Group& group = groups_[static_cast<std::size_t>(record.group)];
  record.number = record.is_message() ? ++group.messages : ++group.collectives;
  if (open_.size() == kMostOpen) open_.pop_front();
  record.id = ++last_id_;
  open_.push_back(record);
  return last_id_;
}

void OperationLog::end(std::uint64_t id) {
  const std::lock_guard lock(mutex_);
  const auto found = std::find_if(open_.begin(), open_.end(), [&](const OperationRecord& open) { return open.id == id; });
  if (found == open_.end()) return;
  found->ended = std::chrono::steady_clock::now();
  if (ended_.size() == kMostEnded) ended_.pop_front();
  ended_.push_back(*found);
  open_.erase(found);
}

std::string OperationLog::text(std::uint64_t id) const {
  const std::lock_guard lock(mutex_);
  for (const OperationRecord& open : open_) {
    if (open.id == id) return fmt::format("{} in group {}", open.text(), groups_[static_cast<std::size_t>(open.group)].name);
  }
  return "an operation";
}

OperationLog::Snapshot OperationLog::snapshot() const {
  const std::lock_guard lock(mutex_);
  return {groups_, {open_.begin(), open_.end()}, {ended_.begin(), ended_.end()}};
}

}  // namespace trellis
