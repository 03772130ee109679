#include "ranks/compute_threads.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "base/time_span.h"
#include "plan/thread_share.h"

namespace trellis {
namespace {

constexpr double kSeconds = 0.5;       // from one look to the next
constexpr double kFirstSeconds = 0.1;  // of start-up are enough for the first
constexpr double kTrialSeconds = 30;   // from one trial of all threads to the next
constexpr int kCalm = 2;               // looks in a row that must agree before threads are added

// Whether a sum over many rows, which a library may deal out among threads, has the same bits with one thread and with `threads`.
bool same_bits_with_fewer(int threads) {
  const at::Tensor left = at::linspace(-1, 1, 2048 * 96, at::kFloat).view({2048, 96}).sin();
  const at::Tensor right = at::linspace(-2, 3, 2048 * 64, at::kFloat).view({2048, 64}).cos();
  const at::Tensor many = at::mm(left.t(), right);
  at::set_num_threads(1);
  const at::Tensor one = at::mm(left.t(), right);
  at::set_num_threads(threads);
  return at::equal(many, one);
}

}  // namespace

void ComputeThreads::give(int most, std::vector<int> processors) {
  most_ = now_ = most;
  processors_ = std::move(processors);
  at::set_num_threads(most);
  may_vary_ = most > 1 && same_bits_with_fewer(most);
  seen_ = processor_time(processors_);
}

std::optional<std::string> ComputeThreads::adapt() {
  if (most_ == 1 || !seen_ || steady_seconds() - seen_->wall < (first_ ? kFirstSeconds : kSeconds)) return std::nullopt;
  first_ = false;
  const std::optional<ProcessorTime> time = processor_time(processors_);
  if (!time) return std::nullopt;
  const double taken = taken_by_others(*seen_, *time);
  const double politely = (time->polite - seen_->polite) / std::max(1e-9, time->wall - seen_->wall);
  seen_ = time;
  const int wanted = threads_beside(taken, static_cast<int>(processors_.size()), most_);
  if (may_vary_ && now_ < most_ && wanted < most_ && politely > taken / 2 && time->wall - tried_ > kTrialSeconds) {
    tried_ = time->wall;
    at::set_num_threads(now_ = most_);
    return std::nullopt;
  }
  const bool fewer = wanted < now_;
  calm_ = wanted > now_ ? calm_ + 1 : 0;
  if (may_vary_ && (fewer || calm_ == kCalm)) {
    at::set_num_threads(now_ = wanted);
    calm_ = 0;
  }
  if (!fewer || std::exchange(told_, true)) return std::nullopt;
  const std::string what = fmt::format("others use {:.1f} of the {} processors that this rank may run on", taken, processors_.size());
  if (may_vary_) return what + fmt::format(": it computes with {} thread(s) of {} for as long as they do", wanted, most_);
  return what + fmt::format(", and threads that wait for each other lose more than they bring: train.threads={} would be faster", wanted);
}

}  // namespace trellis
