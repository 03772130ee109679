// MPI messages under way together: posted one by one, then waited for as one.
#pragma once

#include <mpi.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace trellis {

// How a backend sends.
struct MessageChannel {
  MPI_Comm communicator;
  std::int64_t largest_message_bytes;        // larger ones are cut
  std::atomic<std::int64_t>* sent_bytes;     // counts what is sent to other ranks
};

class Messages {
 public:
  explicit Messages(const MessageChannel& channel) : channel_(channel) {}

  // The memory must stay until test() has said true. Nothing is sent of what is empty.
  void send(std::span<const std::byte> bytes, int to, int tag);
  void receive(std::span<std::byte> bytes, int from, int tag);
  // Whether all have ended. Throws InternalError when MPI fails, or a message had another size than its receiver expected.
  bool test();

 private:
  template <class Byte, class Post>
  void cut(std::span<Byte> bytes, Post&& post);

  struct Expected {
    int source, bytes;  // source -1: a send
  };
  MessageChannel channel_;
  std::vector<MPI_Request> requests_;
  std::vector<Expected> expected_;
  std::vector<MPI_Status> statuses_;
};

}  // namespace trellis
