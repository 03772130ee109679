// The CPU threads that this rank computes with. Fewer than it has been given while others keep its processors busy: threads that
// meet at every product wait for the one that was not running, and two of them beside one busy process are slower than one.
// Counts change no bit of a run: see may_vary.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/processor_time.h"

namespace trellis {

class ComputeThreads {
 public:
  // Sets LibTorch's threads to `most`, and measures whether products have the same bits with fewer; if not, the number stays.
  // processors: those that this rank may run on.
  void give(int most, std::vector<int> processors);

  // For what depends on the number of threads in its last digits: the number stays from now on.
  void keep() { may_vary_ = false; }

  // To be called between steps; does something twice a second at the most. Looks at what others took of the processors since the
  // last time and sets the number of threads by plan/thread_share.h; more of them only when that has been so twice. Processes of low
  // priority take what is left over, or, where the kernel groups by sessions, as much as any: every now and then all threads are
  // tried against them. Gives what is worth telling: the first time that threads are taken away, and that they should be where the
  // number must stay.
  std::optional<std::string> adapt();

  int most() const { return most_; }
  int now() const { return now_; }

 private:
  int most_ = 1, now_ = 1;
  bool may_vary_ = true, first_ = true, told_ = false;
  std::vector<int> processors_;
  std::optional<ProcessorTime> seen_;
  int calm_ = 0;       // times in a row that more threads would have been right
  double tried_ = 0;   // when all threads were last tried against processes of low priority
};

}  // namespace trellis
