// The program `parity`.
#include "parity/parity.h"

#include <fmt/format.h>

#include "base/errors.h"
#include "base/output.h"
#include "base/self_watch.h"
#include "base/version.h"
#include "config/command_line.h"
#include "config/setting_values.h"
#include "mpi/agreement.h"
#include "mpi/same_on_all.h"
#include "ranks/ranks_environment.h"
#include "train/compute_device.h"
#include "train/rank_facts.h"

namespace trellis {

namespace {

struct ParityFlags {
  std::string dtype = "float64", device = "cpu", weights, mesh;
  std::vector<std::string> files;
  bool quiet = false;

  CommandLine line() {
    CommandLine line("parity [flags] FILE...",
                     "Replays parity files: cases that an independent implementation of the network wrote, with every mask and\n"
                     "every number. Prints each quantity's error, max |a - b| / max |b|, and ends with 0 only if all are within\n"
                     "the limit (1e-9 in float64, 1e-5 in float32). bf16 is float32 with activations in bfloat16: of the first step,\n"
                     "loss, h, c and gradients, by |a - b| / |b| in Frobenius norm, limit 5e-2; so is tf32, on a GPU, limit 2e-3. A\n"
                     "file without weights (published_*.h5), of what the model of the paper's authors answers, needs --weights and\n"
                     "comes alone. With --mesh, mpirun's ranks replay it together.");
    line.section("Flags")
        .add("dtype", "TYPE", "float64, float32, bf16, or on a GPU tf32", dtype)
        .add("device", "DEVICE", "cpu or cuda, which is the first GPU, with --mesh one for each rank", device)
        .add("mesh", "D,P,V,CHUNKS", "data, pipeline, vocabulary (replicated, stages, world or a number) and chunks of time, as the settings\n"
             "of [mesh]; D times P ranks", mesh)
        .add("weights", "FILE", "safetensors file with the weights, under the authors' parameter names", weights)
        .on_ranks(CommandLine::OnRanks::place)
        .add_switch("quiet", "one line a file: its largest error", quiet)
        .positional("FILE", "parity files", files);
    return line;
  }

  bool tf32() const { return dtype == "tf32"; }
  at::ScalarType type() const { return dtype == "float64" ? at::kDouble : at::kFloat; }
  std::optional<at::ScalarType> activations() const {
    return dtype == "bf16" ? std::optional(at::kBFloat16) : tf32() ? std::optional(at::kFloat) : std::nullopt;
  }

  void check() const {
    if (files.empty()) throw UsageError("no file is given", "command line", "parity FILE...; parity --help explains");
    if (dtype != "float64" && dtype != "float32" && dtype != "bf16" && dtype != "tf32") {
      throw UsageError("--dtype is '" + dtype + "'", "command line", "give float64, float32, bf16 or tf32");
    }
    if (dtype == "bf16" && !weights.empty()) throw UsageError("--dtype is bf16, but --weights only evaluates", "command line", "give float64 or float32");
    if (device != "cpu" && device != "cuda") throw UsageError("--device is '" + device + "'", "command line", "give cpu or cuda");
    if (tf32() && device == "cpu") throw ConfigError("--dtype is tf32, which CPUs do not have", "command line", "give float32, or --device cuda");
    if (!weights.empty() && files.size() > 1) {
      throw UsageError(fmt::format("--weights are of one parity file, but {} are given", files.size()), "command line", "give one FILE");
    }
    if (!mesh.empty() && !weights.empty()) throw UsageError("--mesh is given, but --weights only evaluates", "command line", "leave one of them out");
  }
};

// "2,2,world,3", each part as the setting of that name.
MeshSettings parse_mesh(const std::string& text) {
  std::vector<std::string> parts{""};
  for (const char c : text) {
    if (c == ',') {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  const auto refuse = [&](const std::string& what) {
    throw UsageError("--mesh is '" + text + "': " + what, "command line", "give data, pipeline, vocabulary and chunks, for instance 2,2,stages,3");
  };
  if (parts.size() != 4) refuse(fmt::format("{} parts, expected 4", parts.size()));
  MeshSettings mesh;
  const auto read = [&](const std::string& part, const Limits& limits, auto& value) {
    if (const std::string expected = parse_value(part, limits, value); !expected.empty()) refuse("'" + part + "', expected " + expected);
  };
  read(parts[0], limits::between(1, 1'000'000), mesh.data);
  read(parts[1], limits::between(1, 100'000), mesh.pipeline);
  read(parts[2], limits::between(1, 1'000'000), mesh.vocabulary);
  std::int64_t chunks = 1;
  read(parts[3], limits::between(1, 1'000'000), chunks);
  mesh.chunks.count = chunks;
  return mesh;
}

// Whether all of the file's quantities are within the limit.
bool replay(const ParityFlags& flags, const std::string& path, at::TensorOptions options, const ReplayMesh& mesh) {
  const ParityFile file(path);
  if (flags.weights.empty() && file.contains("target_log_prob")) {
    throw UsageError("the file holds no weights", path, "give --weights, the safetensors file that belongs to it");
  }
  if (!flags.weights.empty() && file.contains("params")) throw UsageError("the file holds weights of its own", path, "leave --weights out");
  const double limit = flags.tf32() ? 2e-3 : parity_limit(flags.activations().value_or(flags.type()));
  const std::vector<ParityResult> results = flags.weights.empty() ? replay_parity(file, options, flags.activations(), mesh)
                                                                  : replay_published(file, SafetensorsFile::open(flags.weights), options);
  ParityResult worst;
  bool passed = true;
  const bool prints = mesh.groups.rank == 0;
  for (const ParityResult& result : results) {
    const bool within = result.error <= limit;
    passed = passed && within;
    if (result.error >= worst.error) worst = result;
    if (prints && !flags.quiet) print_output("{} step {} {:<24} {:.2e}{}\n", path, result.step, result.quantity, result.error, within ? "" : "  ABOVE THE LIMIT");
  }
  if (prints) {
    print_output("{}: {} {}: largest error {:.2e} (step {}, {}), limit {:.0e}\n", path, flags.dtype, passed ? "passed" : "FAILED", worst.error,
               worst.step, worst.quantity, limit);
  }
  return passed;
}

Facts file_facts(const std::vector<std::string>& files) {
  Facts facts;
  for (std::size_t n = 0; n < files.size(); ++n) facts.push_back(file_fact(fmt::format("FILE {}", n + 1), files[n]));
  return facts;
}

ExitCode replay_all(const ParityFlags& flags, at::Device place, const ReplayMesh& mesh) {
  set_product_precision(flags.tf32() || flags.activations().has_value());
  bool passed = true;
  for (const std::string& path : flags.files) passed = replay(flags, path, at::TensorOptions(flags.type()).device(place), mesh) && passed;
  return passed ? ExitCode::done : ExitCode::numeric_failure;
}

}  // namespace

int parity_command(const std::vector<std::string>& arguments) {
  ParityFlags flags;
  CommandLine line = flags.line();
  switch (line.parse(arguments)) {
    case CommandLine::Parsed::help: write_output(line.help()); return 0;
    case CommandLine::Parsed::version: print_output("parity {}\n", kVersion); return 0;
    case CommandLine::Parsed::ready: break;
  }
  flags.check();
  if (flags.mesh.empty()) {
    const SelfWatch watch;
    const MeshGroups alone = lone_mesh_groups();
    return static_cast<int>(replay_all(flags, flags.device == "cuda" ? first_gpu() : at::Device(at::kCPU), {alone}));
  }
  const MeshSettings settings = parse_mesh(flags.mesh);
  ParityFlags parsed_again;
  CommandLine again = parsed_again.line();
  return run_on_ranks(again, arguments, [] { return true; }, [&](const Ranks& ranks, const MpiSession&) {
    at::set_num_threads(1);
    expect_same_on_all(ranks.world, agree(ranks.world, [&] { return file_facts(flags.files); }));
    // more stages than a case has levels are refused where the levels are known
    const Mesh mesh = agree(ranks.world, [&] { return make_mesh(ranks.size(), settings.data, settings.pipeline, settings.vocabulary, settings.pipeline); });
    const at::Device device = choose_device(ranks.world, flags.device == "cuda" ? DeviceChoice::cuda : DeviceChoice::cpu);
    const MeshGroups groups = mesh_groups_on(ranks, device, mesh);
    return agree(ranks.world, [&] { return replay_all(flags, device, {groups, settings.chunks.count}); });
  });
}

}  // namespace trellis
