#include "plan/shuffle.h"

#include <array>
#include <numeric>
#include <utility>

#include "base/errors.h"

namespace trellis {
namespace {

// The words of a stream one after the other, from word 0.
class Draws {
 public:
  explicit Draws(const RandomStream& stream) : stream_(stream) {}

  // Uniform in [0, bound), bound >= 1: Lemire, "Fast random integer generation in an interval" (2019). The high half of
  // word * bound is the number; the few words whose low half would make some numbers likelier are left out.
  std::uint32_t below(std::uint32_t bound) {
    std::uint64_t product = std::uint64_t{next()} * bound;
    if (static_cast<std::uint32_t>(product) < bound) {
      const std::uint32_t least = -bound % bound;  // 2^32 mod bound
      while (static_cast<std::uint32_t>(product) < least) product = std::uint64_t{next()} * bound;
    }
    return static_cast<std::uint32_t>(product >> 32);
  }

 private:
  std::uint32_t next() {
    if (drawn_ % 4 == 0) words_ = stream_.block(drawn_ / 4);
    return words_[drawn_++ % 4];
  }

  const RandomStream stream_;
  std::array<std::uint32_t, 4> words_{};
  std::uint64_t drawn_ = 0;
};

}  // namespace

std::vector<std::int64_t> random_permutation(std::int64_t count, std::uint64_t seed, std::uint64_t number,
                                             Purpose purpose) {
  require(count >= 0 && count < std::int64_t{1} << 32, "a permutation of that many numbers cannot be drawn");
  std::vector<std::int64_t> order(static_cast<std::size_t>(count));
  std::iota(order.begin(), order.end(), 0);
  Draws draws(RandomStream{.seed = seed, .window = number, .purpose = purpose});
  for (std::size_t last = order.size(); last > 1; --last)
    std::swap(order[last - 1], order[draws.below(static_cast<std::uint32_t>(last))]);
  return order;
}

}  // namespace trellis
