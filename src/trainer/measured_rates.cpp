#include "trainer/measured_rates.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <tuple>
#include <utility>
#include <vector>

#include "base/stop_request.h"
#include "model/dropout.h"
#include "model/effective_kernels.h"
#include "model/initialize.h"
#include "model/level_stack.h"
#include "model/output_layer.h"
#include "mpi/agreement.h"
#include "optimizer/optimizer.h"
#include "plan/pipeline_schedule.h"
#include "plan/vocabulary_stripes.h"
#include "predict/body_cost.h"
#include "predict/network_size.h"
#include "predict/planned_traffic.h"
#include "report/memory.h"
#include "train/from_settings.h"

namespace trellis {
namespace {

constexpr std::int64_t kChunks = 8;
constexpr std::int64_t kLevels = 6;          // of the larger of two stacks
constexpr std::int64_t kElements = 1 << 24;  // parameters that update and kernels are timed with, where the network has more
constexpr double kSeconds = 0.5;             // at least, for one figure
constexpr int kMostRepeats = 30;

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

// Waits for what was queued on a GPU.
void settle(const at::Tensor& tensor) {
  if (tensor.device().is_cuda()) tensor.flatten()[0].item();
}

double median(std::vector<double> values) {
  const std::size_t place = values.size() / 2;
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(place), values.end());
  return values[place];
}

class Measurement {
 public:
  Measurement(const Ranks& ranks, const ProcessGroup& group, const Settings& settings, const RunNumbers& run, std::int64_t lanes,
              at::TensorOptions options)
      : ranks_(ranks),
        group_(group),
        settings_(settings),
        run_(run),
        lanes_(std::max<std::int64_t>(1, lanes)),
        options_(options),
        small_(run.shape) {
    const std::int64_t others = parameter_size(run.shape, 0).all();
    const std::int64_t words = std::max<std::int64_t>(64, (kElements - others) / (run.shape.embedding + 1));
    small_.vocabulary = std::min(run.shape.vocabulary, words);
    while (!small_.cutoffs.empty() && small_.cutoffs.back() >= small_.vocabulary) small_.cutoffs.pop_back();
  }

  BodyCost body() {
    const std::int64_t first = std::min<std::int64_t>(1, run_.shape.levels - 1), there = run_.shape.levels - first;
    const StackTiming many = stack({first, first + std::min(there, kLevels)});
    const StackTiming few = there > 1 ? stack({first, first + std::min(there - 1, kLevels / 3)}) : many;
    return body_cost_from(few, many);
  }

  // Seconds of a row, and of none.
  std::pair<double, double> loss() {
    const std::int64_t rows = std::clamp<std::int64_t>(lanes_ * run_.scored_steps() * run_.shape.output_count(), 8, 1024);
    const Parameters weights = initial(run_.shape);
    Parameters gradients(weights.layout(), options_);
    const double many = loss_of(rows, weights, gradients), few = loss_of(rows / 4, weights, gradients);
    const double row = std::clamp((many - few) / static_cast<double>(rows - rows / 4), 0.0, many / static_cast<double>(rows));
    return {row, many - row * static_cast<double>(rows)};
  }

  double update_element() {
    Parameters weights = initial(small_), gradients(weights.layout(), options_);
    gradients.flat().fill_(1e-3);
    Optimizer optimizer(optimizer_rule_from(settings_), weights.layout(), options_);
    std::int64_t step = 0;
    const double seconds = timed([&] {
      optimizer.update(weights, gradients, clipping_factor(global_norm(gradients), 0.25), 1e-3, ++step);
      settle(weights.flat());
    });
    return seconds / static_cast<double>(weights.layout().flat_size());
  }

  double window_kernels() {
    const Parameters weights = initial(small_);
    Parameters gradients(weights.layout(), options_);
    EffectiveKernels kernels(activation_type_from(settings_));
    DropoutMasks masks;
    std::uint64_t window = 0;
    return timed([&] {
      draw_masks(masks, dropout_from(settings_), run_.shape, 1, ++window, {0, lanes_}, options_);
      kernels.compute(weights, masks);
      EffectiveKernels::backward(weights, masks, gradients);
      settle(gradients.flat());
    });
  }

  // Between neighbours, all pairs at once.
  Link link() {
    const int partner = ranks_.rank() ^ 1;
    const bool paired = partner < ranks_.size();
    const at::Tensor small = at::zeros({2}, options_.dtype(at::kFloat)),
                     large = at::zeros({std::int64_t{1} << 21}, options_.dtype(at::kFloat));
    const auto round_trip = [&](const at::Tensor& message) {
      if (!paired) return;
      const bool begins = ranks_.rank() < partner;
      for (const bool sends : {begins, !begins}) {
        Pending pending = sends ? group_.start_send(message, partner) : group_.start_receive(message, partner);
        pending.wait();
      }
      settle(message);
    };
    Link link;
    link.latency_seconds = timed([&] { round_trip(small); }) / 2;
    const double seconds = std::max(1e-9, timed([&] { round_trip(large); }) / 2 - link.latency_seconds);
    link.bytes_per_second = static_cast<double>(large.nbytes()) / seconds;
    const int n = ranks_.size();
    const Flow sum{"", Axis::data, Exchange::all_reduce, n, 1, 1, static_cast<std::int64_t>(large.nbytes())};
    link.summed_bytes_per_second = static_cast<double>(sum.sent()) / timed([&] {
                                     group_.all_reduce(large, Reduction::sum);
                                     settle(large);
                                   });
    return link;
  }

 private:
  // Seconds of a call: the median of several, of the slowest rank. The first is not counted; all ranks call equally often, and leave
  // together when a signal has come to any.
  template <class F>
  double timed(const F& call) {
    std::vector<double> seconds;
    call();
    double all = 0;
    for (int repeat = 0; repeat < kMostRepeats && (repeat < 3 || all < kSeconds); ++repeat) {
      ranks_.world.barrier();
      const double begin = now();
      call();
      seconds.push_back(now() - begin);
      all = ranks_.world.all_reduce(all + seconds.back(), Reduction::max);
      agree(ranks_.world, [] { throw_if_stop_requested(); });
    }
    return ranks_.world.all_reduce(median(seconds), Reduction::max);
  }

  Parameters initial(const TrellisShape& shape) const {
    Parameters weights(ParameterLayout(shape), options_);
    initialize(weights, initial_values_from(settings_), 1);
    return weights;
  }

  StackTiming stack(Range levels) {
    const TrellisShape& shape = run_.shape;
    // where segments of levels are computed again, a few levels would be one segment, which is not
    const Keep keep = run_.keep.all_gates ? run_.keep : Keep::states;
    LevelStack stack(shape, levels, lanes_, run_.steps, keep, options_, activation_type_from(settings_));
    const Parameters weights = initial(small_);
    Parameters gradients(weights.layout(), options_);
    const ConvolutionKernels sums = EffectiveKernels::gradients_of(gradients);
    EffectiveKernels effective(activation_type_from(settings_));
    const ConvolutionKernels kernels = effective.compute(weights, {});
    const History history{at::zeros({lanes_, shape.hidden}, options_), at::zeros({lanes_, shape.hidden}, options_)};
    const at::TensorOptions activations = activation_options(options_, activation_type_from(settings_));
    const Range window{0, run_.steps};
    const at::Tensor d_hidden = at::full({run_.steps * lanes_, shape.hidden}, 1e-3, activations);
    const at::Tensor d_cell = at::full({run_.steps * lanes_, shape.hidden}, 1e-3, options_);
    stack.begin_window(run_.steps, history, {}, {});
    stack.embedded(window).fill_(0.1);
    if (levels.begin > 0) {
      stack.input_hidden(window).fill_(0.1);
      stack.input_cell(window).fill_(0.1);
    }
    for (std::int64_t number = 0; number < shape.output_count(); ++number) {
      if (stack.d_output(number).defined()) stack.d_output(number).zero_();
    }
    stack.defer_kernel_gradient();
    std::vector<double> units, kernel_gradients;  // seconds in each window
    const auto run_window = [&](std::int64_t count) {
      const std::vector<Range> times = split_steps(run_.steps, count);
      const double begin = now();
      stack.begin_window(run_.steps, history, {}, {});
      for (const Range time : times) stack.forward(time, kernels);
      for (auto time = times.rbegin(); time != times.rend(); ++time) {
        const std::int64_t rows = time->size() * lanes_;
        stack.backward(*time, kernels, sums, d_hidden.narrow(0, 0, rows), d_cell.narrow(0, 0, rows));
      }
      settle(gradients.flat());
      const double middle = now();
      stack.finish_kernel_gradient(sums);
      settle(gradients.flat());
      units.push_back(middle - begin);
      kernel_gradients.push_back(now() - middle);
    };
    const auto units_of_window = [&](std::int64_t count) {
      run_window(count);
      units.clear(), kernel_gradients.clear();
      timed([&] { run_window(count); });
      return ranks_.world.all_reduce(median(units), Reduction::max);
    };
    StackTiming timing{.levels = levels.size(), .rows = run_.steps * lanes_, .chunks = std::min(kChunks, run_.steps)};
    timing.cut = units_of_window(timing.chunks);
    timing.whole = units_of_window(1);
    timing.window = ranks_.world.all_reduce(median(kernel_gradients), Reduction::max);
    return timing;
  }

  double loss_of(std::int64_t rows, const Parameters& weights, Parameters& gradients) {
    const TrellisShape& shape = run_.shape;
    // words in the clusters' shares, evenly spread
    const VocabularyStripes clusters(shape.vocabulary, shape.cutoffs, 1);
    const std::vector<double> shares = cluster_shares_of(run_);
    const at::Tensor targets = at::empty({rows}, at::kLong);
    for (std::int64_t row = 0; row < rows; ++row) {
      double place = (static_cast<double>(row) + 0.5) / static_cast<double>(rows);
      std::int64_t cluster = 0;
      while (cluster + 1 < clusters.clusters() && place > shares[static_cast<std::size_t>(cluster)])
        place -= shares[static_cast<std::size_t>(cluster++)];
      const Range words = clusters.words(cluster);
      targets.mutable_data_ptr<std::int64_t>()[row] = words.begin + row * 7919 % words.size();
    }
    const at::Tensor hidden = at::full({rows, shape.outputs}, 0.1, options_), d_hidden = at::empty_like(hidden);
    const std::unique_ptr<OutputLayer> layer = make_output_layer(shape, rows, VocabularyShare::whole(shape), options_);
    const LossRows block{.hidden = hidden, .d_hidden = d_hidden, .targets = targets, .scale = at::full({rows}, 1e-3, options_)};
    return timed([&] {
      layer->run(weights, {block}, &gradients, Accumulate::overwrite);
      settle(d_hidden);
    });
  }

  const Ranks& ranks_;
  const ProcessGroup& group_;
  const Settings& settings_;
  const RunNumbers& run_;
  std::int64_t lanes_;
  at::TensorOptions options_;
  TrellisShape small_;  // the network with a vocabulary that is no larger than it takes to time what all weights go through
};

}  // namespace

Rates measure_rates(const Ranks& ranks, const ProcessGroup& group, const Settings& settings, const RunNumbers& run, std::int64_t lanes,
                    at::TensorOptions options, const Rates& assumed) {
  Rates rates = assumed;
  Measurement measurement(ranks, group, settings, run, lanes, options);
  rates.body = measurement.body();
  // Other work on the machine may hide what a chunk costs; were it nothing, chunks of one step would seem best.
  rates.body->unit_level = std::max(rates.body->unit_level, costs_of(run, assumed).body.unit_level / 2);
  std::tie(rates.loss_row, rates.loss_window) = measurement.loss();
  rates.update_element = measurement.update_element();
  rates.window_kernels = measurement.window_kernels();
  if (ranks.size() > 1) rates.intra = measurement.link();
  // what is left when all that was timed is gone: libraries, their code and their own memory
  if (const auto resident = process_memory().resident_bytes; resident) {
    rates.program_bytes = ranks.world.all_reduce(*resident, Reduction::max);
  }
  const std::int64_t rows = run.steps * std::max<std::int64_t>(1, lanes);
  const double products = kForwardAndBackward * level_flops(run.shape) * static_cast<double>(rows);
  rates.flops = products / (static_cast<double>(rows) * (rates.body->row_level + rates.body->window_row_level));
  return rates;
}

}  // namespace trellis
