#include "mpi/communicator.h"

#include <algorithm>
#include <exception>
#include <utility>

#include "base/errors.h"
#include "base/time_span.h"
#include "mpi/check.h"
#include "mpi/wait_monitor.h"

namespace trellis {
namespace {

MPI_Op operation(Reduction reduction) {
  switch (reduction) {
    case Reduction::sum:
      return MPI_SUM;
    case Reduction::max:
      return MPI_MAX;
    case Reduction::min:
      return MPI_MIN;
  }
  return MPI_OP_NULL;
}

constexpr std::int64_t kLargestCount = 1 << 30;  // MPI counts are int; larger buffers go in pieces

}  // namespace

Communicator::Communicator(MPI_Comm owned) : handle_(owned), exceptions_at_start_(std::uncaught_exceptions()) {
  check_mpi(MPI_Comm_rank(handle_, &rank_), "MPI_Comm_rank");
  check_mpi(MPI_Comm_size(handle_, &size_), "MPI_Comm_size");
}

Communicator Communicator::world() {
  const MonitoredWait monitored("the making of a communicator");
  MPI_Comm copy = MPI_COMM_NULL;
  check_mpi(MPI_Comm_dup(MPI_COMM_WORLD, &copy), "MPI_Comm_dup");
  return Communicator(copy);
}

Communicator Communicator::duplicate() const {
  const MonitoredWait monitored("the making of a communicator");
  MPI_Comm copy = MPI_COMM_NULL;
  check_mpi(MPI_Comm_dup(handle_, &copy), "MPI_Comm_dup");
  return Communicator(copy);
}

Communicator Communicator::split(int color, int key) const {
  const MonitoredWait monitored("the making of a communicator");
  MPI_Comm part = MPI_COMM_NULL;
  check_mpi(MPI_Comm_split(handle_, color, key, &part), "MPI_Comm_split");
  return Communicator(part);
}

Communicator::Communicator(Communicator&& other) noexcept
    : handle_(std::exchange(other.handle_, MPI_COMM_NULL)),
      rank_(other.rank_),
      size_(other.size_),
      exceptions_at_start_(std::uncaught_exceptions()) {}

Communicator& Communicator::operator=(Communicator&& other) noexcept {
  if (this != &other) {
    release();
    handle_ = std::exchange(other.handle_, MPI_COMM_NULL);
    rank_ = other.rank_;
    size_ = other.size_;
  }
  return *this;
}

Communicator::~Communicator() { release(); }

void Communicator::release() noexcept {
  if (handle_ == MPI_COMM_NULL) return;
  if (std::uncaught_exceptions() > exceptions_at_start_) return;
  int finalized = 0;
  MPI_Finalized(&finalized);
  if (!finalized) MPI_Comm_free(&handle_);
}

void Communicator::barrier() const {
  const TimeSpan timed("barrier");
  const MonitoredWait monitored("a barrier of all ranks");
  check_mpi(MPI_Barrier(handle_), "MPI_Barrier");
}

void Communicator::all_reduce(std::span<double> values, Reduction reduction) const {
  const TimeSpan timed("all-reduce of numbers");
  const MonitoredWait monitored("an all-reduce of numbers");
  if (reduction != Reduction::sum) {
    check_mpi(MPI_Allreduce(MPI_IN_PLACE, values.data(), static_cast<int>(values.size()), MPI_DOUBLE,
                            operation(reduction), handle_),
              "MPI_Allreduce");
    return;
  }
  const std::size_t n = values.size();
  std::vector<double> all(n * size_);
  check_mpi(MPI_Allgather(values.data(), static_cast<int>(n), MPI_DOUBLE, all.data(), static_cast<int>(n), MPI_DOUBLE,
                          handle_),
            "MPI_Allgather");
  std::copy_n(all.begin(), n, values.begin());
  for (int r = 1; r < size_; ++r)
    for (std::size_t i = 0; i < n; ++i) values[i] += all[r * n + i];
}

void Communicator::all_reduce(std::span<std::int64_t> values, Reduction reduction) const {
  const TimeSpan timed("all-reduce of numbers");
  const MonitoredWait monitored("an all-reduce of numbers");
  check_mpi(MPI_Allreduce(MPI_IN_PLACE, values.data(), static_cast<int>(values.size()), MPI_INT64_T,
                          operation(reduction), handle_),
            "MPI_Allreduce");
}

double Communicator::all_reduce(double value, Reduction reduction) const {
  all_reduce(std::span<double>(&value, 1), reduction);
  return value;
}

std::int64_t Communicator::all_reduce(std::int64_t value, Reduction reduction) const {
  all_reduce(std::span<std::int64_t>(&value, 1), reduction);
  return value;
}

std::vector<std::int64_t> Communicator::all_gather(std::int64_t value) const {
  const MonitoredWait monitored("an all-gather of numbers");
  std::vector<std::int64_t> all(size_);
  check_mpi(MPI_Allgather(&value, 1, MPI_INT64_T, all.data(), 1, MPI_INT64_T, handle_), "MPI_Allgather");
  return all;
}

std::vector<std::int64_t> Communicator::all_gather(std::span<const std::int64_t> values) const {
  const MonitoredWait monitored("an all-gather of numbers");
  const int n = static_cast<int>(values.size());
  std::vector<std::int64_t> all(values.size() * size_);
  check_mpi(MPI_Allgather(values.data(), n, MPI_INT64_T, all.data(), n, MPI_INT64_T, handle_), "MPI_Allgather");
  return all;
}

std::vector<double> Communicator::all_gather(double value) const {
  const MonitoredWait monitored("an all-gather of numbers");
  std::vector<double> all(size_);
  check_mpi(MPI_Allgather(&value, 1, MPI_DOUBLE, all.data(), 1, MPI_DOUBLE, handle_), "MPI_Allgather");
  return all;
}

void Communicator::broadcast(std::span<std::byte> bytes, int root) const {
  const MonitoredWait monitored("a broadcast of bytes");
  const auto total = static_cast<std::int64_t>(bytes.size());
  for (std::int64_t done = 0; done < total; done += kLargestCount) {
    const int count = static_cast<int>(std::min(kLargestCount, total - done));
    check_mpi(MPI_Bcast(bytes.data() + done, count, MPI_BYTE, root, handle_), "MPI_Bcast");
  }
}

std::int64_t Communicator::broadcast(std::int64_t value, int root) const {
  const MonitoredWait monitored("a broadcast of a number");
  check_mpi(MPI_Bcast(&value, 1, MPI_INT64_T, root, handle_), "MPI_Bcast");
  return value;
}

std::string Communicator::broadcast(const std::string& text, int root) const {
  std::string received = text;
  received.resize(static_cast<std::size_t>(broadcast(static_cast<std::int64_t>(text.size()), root)));
  broadcast(std::as_writable_bytes(std::span<char>(received)), root);
  return received;
}

std::vector<std::string> Communicator::gather(const std::string& text, int root) const {
  const MonitoredWait monitored("a gather of texts");
  const std::vector<std::int64_t> lengths = all_gather(static_cast<std::int64_t>(text.size()));
  std::vector<int> counts(size_), offsets(size_);
  std::int64_t total = 0;
  for (int r = 0; r < size_; ++r) {
    counts[r] = static_cast<int>(lengths[r]);
    offsets[r] = static_cast<int>(total);
    total += lengths[r];
  }
  require(total <= kLargestCount, "Communicator::gather is for small texts");
  std::string all(rank_ == root ? total : 0, '\0');
  check_mpi(MPI_Gatherv(text.data(), counts[rank_], MPI_CHAR, all.data(), counts.data(), offsets.data(), MPI_CHAR, root,
                        handle_),
            "MPI_Gatherv");
  std::vector<std::string> texts;
  if (rank_ == root)
    for (int r = 0; r < size_; ++r) texts.push_back(all.substr(offsets[r], counts[r]));
  return texts;
}

}  // namespace trellis
