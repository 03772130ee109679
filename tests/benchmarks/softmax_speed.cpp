// The loss of a large vocabulary against LibTorch's own adaptive softmax (torch::nn::AdaptiveLogSoftmaxWithLoss, of the same
// words, clusters and channels, untied), forward and backward, in turns in one process; and the most memory that either holds
// beyond weights, their gradient, and the rows that go in and out, counted in LibTorch's allocator.
//
//   build/tests/softmax_speed [--rows 3000] [--pairs 7] [--threads 2]
#include <c10/core/CPUAllocator.h>
#include <fmt/core.h>
#include <torch/nn/modules/adaptive.h>

#include <algorithm>
#include <chrono>
#include <mutex>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/errors.h"
#include "config/command_line.h"
#include "model/output_layer.h"

namespace trellis {
namespace {

// Counts what is alive and the most that ever was.
class CountingAllocator final : public at::Allocator {
 public:
  CountingAllocator() : inner_(c10::GetCPUAllocator()) {
    current_ = this;
    c10::SetCPUAllocator(this, 255);
  }
  ~CountingAllocator() override { c10::SetCPUAllocator(inner_, 255); }

  at::DataPtr allocate(std::size_t bytes) override {
    at::DataPtr from = inner_->allocate(bytes);
    void* const data = from.get();
    {
      const std::lock_guard lock(mutex_);
      alive_ += static_cast<std::int64_t>(bytes);
      peak_ = std::max(peak_, alive_);
      sizes_[data] = {static_cast<std::int64_t>(bytes), from.get_deleter()};
    }
    void* const context = from.release_context();
    return {data, context, &CountingAllocator::release, from.device()};
  }
  at::DeleterFnPtr raw_deleter() const override { return &CountingAllocator::release; }
  void copy_data(void* to, const void* from, std::size_t bytes) const override { default_copy_data(to, from, bytes); }

  // From now on.
  void restart() { peak_ = alive_; }
  std::int64_t alive() const { return alive_; }
  std::int64_t peak() const { return peak_; }

 private:
  static void release(void* context) {
    at::DeleterFnPtr inner = current_->inner_->raw_deleter();
    {
      const std::lock_guard lock(current_->mutex_);
      if (const auto found = current_->sizes_.find(context); found != current_->sizes_.end()) {
        current_->alive_ -= found->second.first;
        if (found->second.second) inner = found->second.second;
        current_->sizes_.erase(found);
      }
    }
    inner(context);
  }

  static CountingAllocator* current_;
  at::Allocator* inner_;
  std::mutex mutex_;
  std::unordered_map<void*, std::pair<std::int64_t, at::DeleterFnPtr>> sizes_;
  std::int64_t alive_ = 0, peak_ = 0;
};
CountingAllocator* CountingAllocator::current_ = nullptr;

TrellisShape shape() {
  TrellisShape shape;
  shape.levels = 1;
  shape.hidden = shape.outputs = shape.embedding = 512;
  shape.vocabulary = 267'735;
  shape.cutoffs = {2'800, 20'000, 76'000};
  return shape;
}

struct Cost {
  double seconds = 0;
  std::int64_t extra_bytes = 0;
  double loss = 0;
};

template <class Work>
Cost measured(CountingAllocator& allocator, const Work& work) {
  const std::int64_t before = allocator.alive();
  allocator.restart();
  const auto begun = std::chrono::steady_clock::now();
  Cost cost;
  cost.loss = work();
  cost.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
  cost.extra_bytes = allocator.peak() - before;
  return cost;
}

void compare(std::int64_t rows, std::int64_t pairs) {
  CountingAllocator allocator;
  const TrellisShape network = shape();
  at::manual_seed(1);
  const at::Tensor hidden = at::randn({rows, network.outputs}) * 0.5;
  // word n with frequency about 1 / n, as in text
  const at::Tensor targets = (at::pow(static_cast<double>(network.vocabulary), at::rand({rows}, at::kDouble)) - 1).to(at::kLong).clamp(0, network.vocabulary - 1);

  Parameters weights(ParameterLayout(network), at::kFloat), gradients(weights.layout(), at::kFloat);
  weights.view("embedding").uniform_(-0.1, 0.1);
  const at::Tensor d_hidden = at::empty_like(hidden);
  std::int64_t before = allocator.alive();
  const auto layer = make_output_layer(network, rows, VocabularyShare::whole(network), at::kFloat);
  const std::int64_t layer_bytes = allocator.alive() - before;
  const at::Tensor scale = at::full({rows}, 1.0 / static_cast<double>(rows));

  torch::nn::AdaptiveLogSoftmaxWithLoss peer(
      torch::nn::AdaptiveLogSoftmaxWithLossOptions(network.outputs, network.vocabulary, network.cutoffs).div_value(1.0).head_bias(true));
  const at::Tensor leaf = hidden.clone().set_requires_grad(true);
  leaf.mutable_grad() = at::zeros_like(leaf);
  for (at::Tensor& parameter : peer->parameters()) parameter.mutable_grad() = at::zeros_like(parameter);

  std::vector<double> ratios;
  Cost ours, theirs;
  for (std::int64_t pair = 0; pair <= pairs; ++pair) {  // the first warms up
    ours = measured(allocator, [&] {
      const at::Tensor losses = layer->run(weights, {{.hidden = hidden, .d_hidden = d_hidden, .targets = targets, .scale = scale}}, &gradients,
                                           Accumulate::overwrite);
      return losses.mean().item<double>();
    });
    theirs = measured(allocator, [&] {
      leaf.mutable_grad().zero_();
      for (at::Tensor& parameter : peer->parameters()) parameter.mutable_grad().zero_();
      const at::Tensor loss = -peer->forward(leaf, targets).output.mean();
      loss.backward();
      return loss.item<double>();
    });
    if (pair == 0) continue;
    ratios.push_back(theirs.seconds / ours.seconds);
    fmt::print("pair {}: ours {:.0f} ms, LibTorch's {:.0f} ms, {:.3f} times\n", pair, ours.seconds * 1e3, theirs.seconds * 1e3, ratios.back());
  }
  std::sort(ratios.begin(), ratios.end());
  const double mebibyte = 1 << 20, own = static_cast<double>(ours.extra_bytes + layer_bytes), other = static_cast<double>(theirs.extra_bytes);
  fmt::print("{} rows, {} words: median {:.3f} times LibTorch's speed; memory {:.1f} against {:.1f} MiB: {:.3f}; losses {:.3f} and {:.3f}\n", rows,
             network.vocabulary, ratios[ratios.size() / 2], own / mebibyte, other / mebibyte, own / other, ours.loss, theirs.loss);
}

}  // namespace
}  // namespace trellis

int main(int argc, char** argv) {
  using namespace trellis;
  std::int64_t rows = 3'000, pairs = 7, threads = 2;
  try {
    CommandLine line("softmax_speed [flags]", "Time and memory of an adaptive softmax over 267,735 words, ours and LibTorch's.");
    line.add("rows", "N", "rows of the loss", rows, {1, 1'000'000}).add("pairs", "N", "pairs of runs", pairs, {1, 1'000});
    line.add("threads", "N", "CPU threads", threads, {1, 1'024});
    if (line.parse(arguments_of(argc, argv)) == CommandLine::Parsed::help) {
      fmt::print("{}", line.help());
      return 0;
    }
    at::set_num_threads(static_cast<int>(threads));
    compare(rows, pairs);
    return 0;
  } catch (const Error& error) {
    fmt::print(stderr, "{}\n", error.what());
    return static_cast<int>(error.code());
  }
}
