// The program `parity`.
#include "cli/parity.h"

#include <fmt/format.h>

#include "base/errors.h"
#include "base/version.h"
#include "config/command_line.h"
#include "train/compute_device.h"

namespace trellis {

int parity_command(const std::vector<std::string>& arguments) {
  std::string dtype = "float64", device = "cpu", weights;
  std::vector<std::string> files;
  bool quiet = false;
  CommandLine line("parity [flags] FILE...",
                   "Replays parity files: cases that an independent implementation of the network wrote, with every mask and\n"
                   "every number. Prints each quantity's error, max |a - b| / max |b|, and ends with 0 only if all are within\n"
                   "the limit (1e-9 in float64, 1e-5 in float32). bf16 is float32 with activations in bfloat16: of the first step, loss,\n"
                   "h, c and gradients, by |a - b| / |b| in Frobenius norm, limit 5e-2; so is tf32, on a GPU, limit 2e-3. A file without weights (published_*.h5), of what the model of the\n"
                   "paper's authors answers, needs --weights and comes alone.");
  line.section("Flags")
      .add("dtype", "TYPE", "float64, float32, bf16, or on a GPU tf32", dtype)
      .add("device", "DEVICE", "cpu or cuda, which is the first GPU", device)
      .add("weights", "FILE", "safetensors file with the weights, under the authors' parameter names", weights)
      .add_switch("quiet", "one line a file: its largest error", quiet)
      .positional("FILE", "parity files", files);
  switch (line.parse(arguments)) {
    case CommandLine::Parsed::help: fmt::print("{}", line.help()); return 0;
    case CommandLine::Parsed::version: fmt::print("parity {}\n", kVersion); return 0;
    case CommandLine::Parsed::ready: break;
  }
  if (files.empty()) throw UsageError("no file is given", "command line", "parity FILE...; parity --help explains");
  if (dtype != "float64" && dtype != "float32" && dtype != "bf16" && dtype != "tf32") {
    throw UsageError("--dtype is '" + dtype + "'", "command line", "give float64, float32, bf16 or tf32");
  }
  if (dtype == "bf16" && !weights.empty()) throw UsageError("--dtype is bf16, but --weights only evaluates", "command line", "give float64 or float32");
  if (device != "cpu" && device != "cuda") throw UsageError("--device is '" + device + "'", "command line", "give cpu or cuda");
  const bool tf32 = dtype == "tf32";
  if (tf32 && device == "cpu") throw ConfigError("--dtype is tf32, which CPUs do not have", "command line", "give float32, or --device cuda");
  if (!weights.empty() && files.size() > 1) {
    throw UsageError(fmt::format("--weights are of one parity file, but {} are given", files.size()), "command line", "give one FILE");
  }
  const at::ScalarType type = dtype == "float64" ? at::kDouble : at::kFloat;
  const std::optional<at::ScalarType> activations = dtype == "bf16" ? std::optional(at::kBFloat16) : tf32 ? std::optional(at::kFloat) : std::nullopt;
  const double limit = tf32 ? 2e-3 : parity_limit(activations.value_or(type));
  const at::Device place = device == "cuda" ? first_gpu() : at::Device(at::kCPU);
  allow_tf32(tf32);

  bool passed = true;
  for (const std::string& path : files) {
    const ParityFile file(path);
    if (weights.empty() && file.contains("target_log_prob")) {
      throw UsageError("the file holds no weights", path, "give --weights, the safetensors file that belongs to it");
    }
    if (!weights.empty() && file.contains("params")) throw UsageError("the file holds weights of its own", path, "leave --weights out");
    ParityResult worst;
    const at::TensorOptions options = at::TensorOptions(type).device(place);
    const std::vector<ParityResult> results = weights.empty() ? replay_parity(file, options, activations) : replay_published(file, SafetensorsFile::open(weights), options);
    for (const ParityResult& result : results) {
      const bool within = result.error <= limit;
      passed = passed && within;
      if (result.error >= worst.error) worst = result;
      if (!quiet) fmt::print("{} step {} {:<24} {:.2e}{}\n", path, result.step, result.quantity, result.error, within ? "" : "  ABOVE THE LIMIT");
    }
    fmt::print("{}: {} {}: largest error {:.2e} (step {}, {}), limit {:.0e}\n", path, dtype, worst.error <= limit ? "passed" : "FAILED",
               worst.error, worst.step, worst.quantity, limit);
  }
  return static_cast<int>(passed ? ExitCode::done : ExitCode::numeric_failure);
}

}  // namespace trellis
