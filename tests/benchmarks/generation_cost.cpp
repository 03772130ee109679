// What a generated token costs, and whether it costs more behind a long text than behind a short one: random weights in the
// setting of configs/wikitext2-small.ini, history handed on and discarded.
//
//   generation_cost [--threads 1] [--short 1000] [--long 10000]
//
// For each it prints the mean time per token of a text of either length, from its first token on, and their ratio, which is 1
// when a token's cost does not depend on what stands before it; and, since other work on the machine disturbs that, the
// medians of two texts that go on in turns, token by token, one from its beginning and one behind the long text.
#include <fmt/core.h>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <chrono>
#include <vector>

#include "base/errors.h"
#include "config/command_line.h"
#include "model/initialize.h"
#include "model/text_stream.h"
#include "model/token_sampler.h"

namespace {

using namespace trellis;

TrellisShape wikitext2_small() {
  TrellisShape shape;
  shape.levels = 16, shape.hidden = 256, shape.outputs = 128, shape.embedding = 128;
  shape.vocabulary = 33'278, shape.cutoffs = {2'800, 10'000}, shape.auxiliary_every = 8;
  return shape;
}

// A text of random weights' own making.
class Text {
 public:
  Text(const Parameters& weights, std::int64_t window, std::int64_t discard)
      : stream_(wikitext2_small(), window, discard, "generation_cost", at::kFloat), sampler_(SamplingRule{}) {
    stream_.use(weights);
  }
  // The seconds of the next token.
  double generate() {
    const auto start = std::chrono::steady_clock::now();
    stream_.read({&token_, 1});
    const at::Tensor log_probabilities = stream_.log_probabilities();
    token_ = sampler_.draw({log_probabilities.const_data_ptr<double>(), static_cast<std::size_t>(log_probabilities.numel())}, stream_.position());
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }
  // Mean seconds of the next `tokens` ones.
  double generate(std::int64_t tokens) {
    double sum = 0;
    for (std::int64_t n = 0; n < tokens; ++n) sum += generate();
    return sum / static_cast<double>(tokens);
  }

 private:
  TextStream stream_;
  TokenSampler sampler_;
  std::int64_t token_ = 0;
};

double median(std::vector<double> seconds) {
  const auto middle = seconds.begin() + static_cast<std::ptrdiff_t>(seconds.size() / 2);
  std::nth_element(seconds.begin(), middle, seconds.end());
  return *middle;
}

void measure(const Parameters& weights, const char* name, std::int64_t window, std::int64_t discard, std::int64_t short_text, std::int64_t long_text) {
  Text(weights, window, discard).generate(50);  // warms up
  Text late(weights, window, discard);
  const double of_short = Text(weights, window, discard).generate(short_text), of_long = late.generate(long_text);
  fmt::print("{:20} {:7.3f} ms a token over {} tokens, {:7.3f} over {}: ratio {:.3f}\n", name, 1e3 * of_short, short_text, 1e3 * of_long, long_text,
             of_long / of_short);
  Text early(weights, window, discard);
  std::vector<double> seconds[2];
  for (std::int64_t n = 0; n < short_text; ++n) {
    seconds[0].push_back(early.generate());
    seconds[1].push_back(late.generate());
  }
  fmt::print("{:20} {:7.3f} ms a token from the first on, {:7.3f} behind {}: ratio {:.3f}\n", "  in turns", 1e3 * median(seconds[0]),
             1e3 * median(seconds[1]), long_text, median(seconds[1]) / median(seconds[0]));
}

}  // namespace

int main(int argc, char** argv) {
  std::int64_t threads = 1, short_text = 1'000, long_text = 10'000;
  try {
    CommandLine line("generation_cost [flags]", "Time per generated token, behind short and long texts.");
    line.add("threads", "N", "CPU threads", threads, {1, 1'024})
        .add("short", "N", "tokens of the short text", short_text, {1, 100'000'000})
        .add("long", "N", "tokens of the long one", long_text, {1, 100'000'000});
    if (line.parse(arguments_of(argc, argv)) == CommandLine::Parsed::help) {
      fmt::print("{}", line.help());
      return 0;
    }
    at::set_num_threads(static_cast<int>(threads));
    const TrellisShape shape = wikitext2_small();
    Parameters weights(ParameterLayout(shape), at::kFloat);
    initialize(weights, {}, 1);
    measure(weights, "history handed on", 32, 0, short_text, long_text);
    measure(weights, "history discarded", 2 * shape.reach(), shape.reach(), short_text, long_text);
    return 0;
  } catch (const Error& error) {
    fmt::print(stderr, "{}\n", error.what());
    return static_cast<int>(error.code());
  }
}
