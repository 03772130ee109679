// What this rank does and has last done in its process groups: the record that is shown when an operation does not end.
// Cheap enough for every operation: no text is made before somebody asks.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <vector>

namespace trellis {

enum class Operation { all_reduce, reduce_scatter, all_gather, all_to_all, broadcast, barrier, send, receive };

struct OperationRecord {
  std::uint64_t id = 0;  // in the log
  int group = 0;  // index into the log's groups
  Operation operation = Operation::barrier;
  std::uint64_t number = 0;  // of the group's collectives on this rank, from 1; of send and receive: of its messages
  int peer = -1;             // rank in the group that is sent to or received from, or the root; -1: none
  int tag = 0;               // of send and receive
  int dimensions = -1;       // of the tensor; -1: no tensor
  at::ScalarType dtype = at::kByte;
  std::array<std::int64_t, 4> sizes = {};  // the first ones
  std::chrono::steady_clock::time_point begun = {}, ended = {};

  void set_tensor(const at::Tensor& tensor);
  bool is_message() const { return operation == Operation::send || operation == Operation::receive; }
  // "all_reduce", "Float [2, 3]", "all_reduce 4 of Float [2, 3]", "receive 2 of Float [3] from rank 1 with tag 5"
  const char* name() const;
  std::string tensor() const;
  std::string text() const;
};

class OperationLog {
 public:
  struct Group {
    std::string name;
    std::vector<int> members;       // ranks of the world, in the group's order
    std::uint64_t collectives = 0;  // begun here
    std::uint64_t messages = 0;
  };
  struct Snapshot {
    std::vector<Group> groups;
    std::vector<OperationRecord> open, ended;  // the oldest first
  };

  int add_group(std::string name, std::vector<int> members);
  // Numbers the record and keeps it until end(). Returns its id, never 0.
  std::uint64_t begin(OperationRecord record);
  // Ending again, or what was never begun, does nothing.
  void end(std::uint64_t id);
  // "all_reduce 4 of Float [2, 3] in group world"; of one that is no longer open: "an operation".
  std::string text(std::uint64_t id) const;
  Snapshot snapshot() const;

 private:
  static constexpr std::size_t kMostOpen = 1024;  // of those never waited for, the oldest are forgotten
  static constexpr std::size_t kMostEnded = 8;

  mutable std::mutex mutex_;
  std::vector<Group> groups_;
  std::deque<OperationRecord> open_, ended_;
  std::uint64_t last_id_ = 0;
};

}  // namespace trellis
