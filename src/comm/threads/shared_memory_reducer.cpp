#include "comm/threads/shared_memory_reducer.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <new>
#include <string>
#include <vector>

#include "base/errors.h"
#include "comm/elementwise_reduce.h"
#include "comm/node.h"

namespace trellis {
namespace {

constexpr std::int64_t kSegmentBytes = 512 << 10;  // two buffers of it, deposits and results, stay in a 2 MB cache
constexpr std::int64_t kWholeBytes = 8 << 10;      // up to here every rank reduces everything itself
constexpr std::int64_t kLine = 64;                 // slices end at cache lines, which holds for every dtype

}  // namespace

// Written by its owner only, read by all.
struct SharedMemoryReducer::Slot {
  // Number of the last segment deposited, and of the last slice reduced.
  alignas(kLine) std::atomic<std::uint64_t> deposits;
  alignas(kLine) std::atomic<std::uint64_t> reductions;
  alignas(kLine) std::atomic<std::uint64_t> collective;
  // What the owner believes the collective to be; one for each buffer.
  struct Signature {
    std::uint64_t bytes, collective;
    std::int32_t dtype, reduction;
    bool operator==(const Signature&) const = default;
    std::string text() const {
      return fmt::format("{} bytes of {} (reduction {}, collective {})", bytes, c10::toString(static_cast<at::ScalarType>(dtype)), reduction,
                         collective);
    }
  };
  alignas(kLine) Signature signatures[2];
};

struct SharedMemoryReducer::Segment {
  std::uint64_t step;  // from 1, over all collectives
  std::span<std::byte> bytes;
  at::ScalarType dtype;
  Reduction reduction;
  Slot::Signature signature;
  int ranks;

  std::span<std::byte> slice(int rank) const { return bytes.subspan(offset(rank), offset(rank + 1) - offset(rank)); }
  std::int64_t offset(int rank) const {
    const auto total = static_cast<std::int64_t>(bytes.size());
    const std::int64_t lines = (total + kLine - 1) / kLine;
    return std::min(total, lines * rank / ranks * kLine);
  }
};

namespace {

// Maps `bytes` of the named shared memory, or null. With `create` it must be new, and is really there: writing into memory
// that the system cannot back would kill the process.
std::byte* map_shared(const std::string& name, std::size_t bytes, bool create) {
  const int file = shm_open(name.c_str(), create ? O_RDWR | O_CREAT | O_EXCL : O_RDWR, S_IRUSR | S_IWUSR);
  if (file < 0) return nullptr;
  void* memory = MAP_FAILED;
  if (!create || posix_fallocate(file, 0, static_cast<off_t>(bytes)) == 0)
    memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  close(file);
  return memory == MAP_FAILED ? nullptr : static_cast<std::byte*>(memory);
}

}  // namespace

// Not an MPI window: freeing one is collective, and would wait for ranks that have failed.
std::unique_ptr<SharedMemoryReducer> SharedMemoryReducer::create(const Communicator& communicator) {
  static_assert(std::atomic<std::uint64_t>::is_always_lock_free);
  static std::atomic<int> created = 0;
  const int rank = communicator.rank(), size = communicator.size();
  if (!all_on_one_node(communicator)) return nullptr;
  const std::size_t bytes = memory_bytes(size);
  const std::string name = communicator.broadcast(fmt::format("/trellis-{}-{}", getpid(), created++), 0);
  std::byte* memory = rank == 0 ? map_shared(name, bytes, true) : nullptr;
  communicator.barrier();
  if (rank != 0) memory = map_shared(name, bytes, false);
  const bool granted = communicator.all_reduce(std::int64_t{memory != nullptr}, Reduction::min) == 1;
  if (rank == 0) shm_unlink(name.c_str());  // the memory lives until the last rank has ended, however it ends
  if (!granted) {
    if (memory) munmap(memory, bytes);
    return nullptr;
  }
  std::unique_ptr<SharedMemoryReducer> reducer(new SharedMemoryReducer(memory, rank, size));
  communicator.barrier();  // every slot is initialised before any rank looks at another's
  return reducer;
}

SharedMemoryReducer::SharedMemoryReducer(std::byte* memory, int rank, int size) : memory_(memory), rank_(rank), size_(size) {
  new (&slot(rank_)) Slot{};
}

SharedMemoryReducer::~SharedMemoryReducer() { munmap(memory_, memory_bytes(size_)); }

std::size_t SharedMemoryReducer::memory_bytes(int size) { return size * (sizeof(Slot) + 4 * kSegmentBytes); }

SharedMemoryReducer::Slot& SharedMemoryReducer::slot(int rank) const {
  return *reinterpret_cast<Slot*>(memory_ + rank * (sizeof(Slot) + 4 * kSegmentBytes));
}
std::byte* SharedMemoryReducer::deposited(int rank, std::uint64_t step) const {
  return reinterpret_cast<std::byte*>(&slot(rank) + 1) + (step % 2) * kSegmentBytes;
}
std::byte* SharedMemoryReducer::reduced(int rank, std::uint64_t step) const {
  return reinterpret_cast<std::byte*>(&slot(rank) + 1) + (2 + step % 2) * kSegmentBytes;
}

// Segment k uses the buffers of segment k-2 again. That is safe because
//   * a rank deposits k after it has waited for all deposits of k-1, and a rank deposits k-1 after it has read those of k-2;
//   * a rank reduces k after it has waited for all deposits of k, and a rank deposits k after it has collected k-2.
void SharedMemoryReducer::deposit(const Segment& segment) {
  for (int r = 0; r < size_; ++r) {
    if (r == rank_) continue;
    const auto slice = segment.slice(r);
    std::memcpy(deposited(rank_, segment.step) + segment.offset(r), slice.data(), slice.size());
  }
  slot(rank_).signatures[segment.step % 2] = segment.signature;
  slot(rank_).deposits.store(segment.step, std::memory_order_release);
}

void SharedMemoryReducer::wait_for_deposits(const Segment& segment, const Patience& patience) {
  for (int r = 0; r < size_; ++r) {
    poll_until([&] { return slot(r).deposits.load(std::memory_order_acquire) >= segment.step; }, patience);
    const Slot::Signature& theirs = slot(r).signatures[segment.step % 2];
    if (theirs != segment.signature)
      throw InternalError(fmt::format("rank {} brings {}, rank {} brings {}", rank_, segment.signature.text(), r, theirs.text()), "allreduce",
                          "all ranks must communicate in the same order, with tensors of the same size and dtype");
  }
}

void SharedMemoryReducer::reduce_own_slice(const Segment& segment, const Patience& patience) {
  wait_for_deposits(segment, patience);
  const auto own = segment.slice(rank_);
  std::vector<const std::byte*> sources(size_);
  for (int r = 0; r < size_; ++r) sources[r] = r == rank_ ? own.data() : deposited(r, segment.step) + segment.offset(rank_);
  reduce_in_order(segment.dtype, segment.reduction, sources, own.data(), reduced(rank_, segment.step),
                  static_cast<std::int64_t>(own.size() / c10::elementSize(segment.dtype)));
  slot(rank_).reductions.store(segment.step, std::memory_order_release);
}

void SharedMemoryReducer::collect(const Segment& segment, const Patience& patience) {
  for (int r = 0; r < size_; ++r) {
    if (r == rank_) continue;
    poll_until([&] { return slot(r).reductions.load(std::memory_order_acquire) >= segment.step; }, patience);
    const auto slice = segment.slice(r);
    std::memcpy(slice.data(), reduced(r, segment.step), slice.size());
  }
}

void SharedMemoryReducer::reduce_whole(const Segment& segment, const Patience& patience) {
  std::memcpy(deposited(rank_, segment.step), segment.bytes.data(), segment.bytes.size());
  slot(rank_).signatures[segment.step % 2] = segment.signature;
  slot(rank_).deposits.store(segment.step, std::memory_order_release);
  wait_for_deposits(segment, patience);
  std::vector<const std::byte*> sources(size_);
  for (int r = 0; r < size_; ++r) sources[r] = deposited(r, segment.step);
  reduce_in_order(segment.dtype, segment.reduction, sources, segment.bytes.data(), nullptr,
                  static_cast<std::int64_t>(segment.bytes.size() / c10::elementSize(segment.dtype)));
}

std::uint64_t SharedMemoryReducer::last_collective(int rank) const { return slot(rank).collective.load(std::memory_order_relaxed); }

void SharedMemoryReducer::all_reduce(std::span<std::byte> bytes, at::ScalarType dtype, Reduction reduction, std::uint64_t collective,
                                     const Patience& patience) {
  slot(rank_).collective.store(collective, std::memory_order_relaxed);
  const auto total = static_cast<std::int64_t>(bytes.size());
  // An empty tensor passes as one empty segment, so that ranks which bring something else are noticed.
  const std::int64_t segments = std::max<std::int64_t>(1, (total + kSegmentBytes - 1) / kSegmentBytes);
  const Slot::Signature signature = {bytes.size(), collective, static_cast<std::int32_t>(dtype), static_cast<std::int32_t>(reduction)};
  const std::uint64_t first = step_ + 1;
  step_ += segments;
  const auto segment = [&](std::int64_t index) {
    const std::int64_t begin = index * kSegmentBytes;
    return Segment{first + index, bytes.subspan(begin, std::min(kSegmentBytes, total - begin)), dtype, reduction, signature, size_};
  };
  if (total <= kWholeBytes) {
    reduce_whole(segment(0), patience);
    return;
  }
  deposit(segment(0));
  for (std::int64_t index = 0; index < segments; ++index) {
    reduce_own_slice(segment(index), patience);
    if (index + 1 < segments) deposit(segment(index + 1));
    collect(segment(index), patience);
  }
}

}  // namespace trellis
