// A communicator as an owned value, and the few small collectives that control flow needs: counts, flags, texts.
// Tensors travel through comm/, not through here. Every call is collective over the communicator's ranks; MPI errors
// are thrown as InternalError. Needs a live MpiSession.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mpi.h>
#include <span>
#include <string>
#include <vector>

namespace trellis {

enum class Reduction { sum, max, min };

class Communicator {
 public:
  // A duplicate of MPI_COMM_WORLD: the same ranks, messages apart from everyone else's.
  static Communicator world();
  Communicator duplicate() const;
  // Ranks that give the same color share the new communicator, ordered by key, then by rank here.
  Communicator split(int color, int key) const;

  Communicator(Communicator&& other) noexcept;
  Communicator& operator=(Communicator&& other) noexcept;
  // Frees the communicator, except while an exception unwinds: freeing is collective and the others may not be here.
  ~Communicator();

  MPI_Comm get() const { return handle_; }
  int rank() const { return rank_; }
  int size() const { return size_; }

  void barrier() const;

  // Elementwise over all ranks, in place; every rank gives the same length. Sums of doubles are taken in rank order, so
  // every rank holds the same bits, and the same bits again in the next run.
  void all_reduce(std::span<double> values, Reduction reduction) const;
  void all_reduce(std::span<std::int64_t> values, Reduction reduction) const;
  double all_reduce(double value, Reduction reduction) const;
  std::int64_t all_reduce(std::int64_t value, Reduction reduction) const;

  // One value of every rank, in rank order, on every rank.
  std::vector<std::int64_t> all_gather(std::int64_t value) const;
  std::vector<double> all_gather(double value) const;
  // Every rank's values, those of rank 0 first; every rank gives the same length.
  std::vector<std::int64_t> all_gather(std::span<const std::int64_t> values) const;

  void broadcast(std::span<std::byte> bytes, int root) const;
  // The root's text on every rank; what the others pass is ignored.
  std::string broadcast(const std::string& text, int root) const;
  std::int64_t broadcast(std::int64_t value, int root) const;

  // On the root: the text of every rank in rank order; elsewhere empty.
  std::vector<std::string> gather(const std::string& text, int root) const;

 private:
  explicit Communicator(MPI_Comm owned);
  void release() noexcept;

  MPI_Comm handle_ = MPI_COMM_NULL;
  int rank_ = 0, size_ = 1;
  int exceptions_at_start_ = 0;
};

}  // namespace trellis
