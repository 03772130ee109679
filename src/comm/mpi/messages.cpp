#include "comm/mpi/messages.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/errors.h"
#include "mpi/check.h"

namespace trellis {

template <class Byte, class Post>
void Messages::cut(std::span<Byte> bytes, Post&& post) {
  const auto total = static_cast<std::int64_t>(bytes.size());
  for (std::int64_t done = 0; done < total; done += channel_.largest_message_bytes) {
    requests_.push_back(MPI_REQUEST_NULL);
    post(bytes.data() + done, static_cast<int>(std::min(channel_.largest_message_bytes, total - done)));
  }
}

void Messages::send(std::span<const std::byte> bytes, int to, int tag) {
  cut(bytes, [&](const std::byte* data, int count) {
    expected_.push_back({-1, count});
    check_mpi(MPI_Isend(data, count, MPI_BYTE, to, tag, channel_.communicator, &requests_.back()), "MPI_Isend");
  });
  *channel_.sent_bytes += static_cast<std::int64_t>(bytes.size());
}

void Messages::receive(std::span<std::byte> bytes, int from, int tag) {
  cut(bytes, [&](std::byte* data, int count) {
    expected_.push_back({from, count});
    check_mpi(MPI_Irecv(data, count, MPI_BYTE, from, tag, channel_.communicator, &requests_.back()), "MPI_Irecv");
  });
}

bool Messages::test() {
  if (requests_.empty()) return true;
  statuses_.resize(requests_.size());
  int done = 0;
  const int code = MPI_Testall(static_cast<int>(requests_.size()), requests_.data(), &done, statuses_.data());
  const auto refuse = [](const Expected& expected, const std::string& got) {
    throw InternalError(fmt::format("rank {} sent {} than the {} bytes expected of it", expected.source, got, expected.bytes), "receive",
                        "all ranks must communicate in the same order, with tensors of the same size");
  };
  if (code == MPI_ERR_IN_STATUS) {
    for (std::size_t i = 0; i < statuses_.size(); ++i) {
      int error_class = MPI_SUCCESS;
      MPI_Error_class(statuses_[i].MPI_ERROR, &error_class);
      if (error_class == MPI_ERR_TRUNCATE) refuse(expected_[i], "more");
    }
  }
  check_mpi(code, "MPI_Testall");
  if (!done) return false;
  for (std::size_t i = 0; i < statuses_.size(); ++i) {
    if (expected_[i].source < 0) continue;
    int bytes = 0;
    MPI_Get_count(&statuses_[i], MPI_BYTE, &bytes);
    if (bytes != expected_[i].bytes) refuse(expected_[i], fmt::format("{} bytes, less", bytes));
  }
  requests_.clear();
  expected_.clear();
  return true;
}

}  // namespace trellis
