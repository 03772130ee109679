// A ring of steps against the list of everything that was pushed.
#include "model/step_ring.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "base/errors.h"
#include "plan/random.h"

namespace trellis {
namespace {

constexpr std::int64_t kLanes = 3, kChannels = 2;

// Every value says which step, lane and channel it is of.
at::Tensor step(std::int64_t number) { return at::arange(kLanes * kChannels, at::kDouble).view({kLanes, kChannels}) + 100 * static_cast<double>(number); }

at::Tensor steps(std::int64_t first, std::int64_t count) {
  std::vector<at::Tensor> each;
  for (std::int64_t n = first; n < first + count; ++n) each.push_back(step(n));
  return at::cat(each);
}

TEST(StepRing, HoldsTheNewestStepsInOrderWhateverTheirNumberAtOnce) {
  for (const std::int64_t kept : {1, 2, 3, 5, 8}) {
    StepRing ring(kept, kLanes, kChannels, at::kDouble);
    const at::Tensor scratch = at::full({kept * kLanes, kChannels}, -1.0, at::kDouble);
    const RandomStream random{.seed = static_cast<std::uint64_t>(kept), .window = 0};
    std::int64_t pushed = 0;
    for (std::uint64_t n = 0; n < 60; ++n) {
      const std::int64_t count = 1 + random.word(n) % (2 * kept + 1);
      ring.push(steps(pushed, count));
      pushed += count;
      for (std::int64_t delay = 1; delay <= std::min(kept, pushed); ++delay) {
        for (std::int64_t wanted = 1; wanted <= delay; ++wanted) {
          ASSERT_TRUE(ring.read(delay, wanted, scratch).equal(steps(pushed - delay, wanted)))
              << wanted << " steps from " << delay << " back of " << kept << " kept, after " << pushed;
        }
      }
    }
  }
}

TEST(StepRing, FillMakesEveryStepTheSame) {
  StepRing ring(4, kLanes, kChannels, at::kDouble);
  const at::Tensor scratch = at::empty({4 * kLanes, kChannels}, at::kDouble);
  ring.push(steps(0, 3));
  ring.fill(step(7));
  EXPECT_TRUE(ring.read(4, 4, scratch).equal(at::cat({step(7), step(7), step(7), step(7)})));
  ring.push(step(8));
  EXPECT_TRUE(ring.read(4, 4, scratch).equal(at::cat({step(7), step(7), step(7), step(8)})));
}

TEST(StepRing, RefusesWhatItDoesNotKeep) {
  StepRing ring(3, kLanes, kChannels, at::kDouble);
  const at::Tensor scratch = at::empty({4 * kLanes, kChannels}, at::kDouble);
  ring.fill(step(0));
  EXPECT_THROW(ring.read(4, 1, scratch), InternalError);
  EXPECT_THROW(ring.read(2, 3, scratch), InternalError);
  EXPECT_THROW(ring.read(2, 0, scratch), InternalError);
  EXPECT_THROW(StepRing(0, kLanes, kChannels, at::kDouble), InternalError);
}

}  // namespace
}  // namespace trellis
