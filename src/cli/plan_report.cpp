#include "cli/plan_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

#include "predict/network_size.h"
#include "report/wording.h"

namespace trellis {
namespace {

constexpr Axis kAxes[] = {Axis::pipeline, Axis::vocabulary, Axis::data};

std::array<std::pair<std::string_view, double>, 8> parts_of(const StepTime& time) {
  return {{{"embedding", time.embedding},
           {"forward", time.forward},
           {"loss", time.loss},
           {"backward", time.backward},
           {"kernel gradient", time.kernel_gradient},
           {"reduction", time.reduction},
           {"kernels", time.kernels},
           {"update", time.update}}};
}

std::string_view name_of(Exchange kind) {
  switch (kind) {
    case Exchange::send:
      return "send";
    case Exchange::all_gather:
      return "all_gather";
    case Exchange::reduce_scatter:
      return "reduce_scatter";
    case Exchange::all_reduce:
      return "all_reduce";
    case Exchange::broadcast:
      return "broadcast";
    case Exchange::exchange:
      return "exchange";
  }
  return "";
}

// "0.93ms", "123ms", "4.56s"
std::string seconds_text(double seconds) {
  if (seconds < 0.01) return fmt::format("{:.2f}ms", seconds * 1e3);
  if (seconds < 1) return fmt::format("{:.0f}ms", seconds * 1e3);
  return fmt::format("{:.2f}s", seconds);
}

std::string rates_text(const Rates& rates, const PlanHeading& heading) {
  std::string text = fmt::format("{}FLOP/s a rank; between ranks {}B/s and {:.1f} us", format_count(rates.flops),
                                 format_count(rates.intra.bytes_per_second), rates.intra.latency_seconds * 1e6);
  if (rates.ranks_per_node > 0) {
    text += fmt::format(", between nodes of {} ranks {}B/s and {:.1f} us", rates.ranks_per_node, format_count(rates.inter.bytes_per_second),
                        rates.inter.latency_seconds * 1e6);
  }
  return text + (heading.measured ? ": measured here" : ": assumed; --measure takes those of this machine");
}

PartSeconds part_seconds(const PlanLength& length, const PlanReport& report) {
  return {.step = report.time.total(), .validation = likely_validation_seconds(length.scored_in_validation, report.time.total(), length.scored_in_step)};
}

std::string duration_or_none(const std::optional<double>& seconds) { return seconds ? format_duration(*seconds) : "-"; }

std::string row_of(std::size_t number, const PlanReport& report, const Rates& rates, const PlanLength& length) {
  return fmt::format("{:>3}  {:>4} x {:<4}  {:>10}  {:>6}  {:>8}  {:>8}  {:>6.1f} %  {:>5.1f} %  {:>10}  {:>7}  {:>7}{}\n", number, report.mesh.data,
                     report.mesh.pipeline, report.mesh.vocabulary, report.chunks, seconds_text(report.time.total()),
                     format_count(report.tokens_per_second), 100 * report.efficiency, 100 * report.bubble,
                     format_bytes(report.memory.total()), duration_or_none(pass_seconds(length, report)), duration_or_none(run_seconds(length, report)),
                     rates.device_memory == 0           ? ""
                     : report.fits(rates.device_memory) ? "  fits"
                                                        : "  too large");
}

std::string best_of(const RunNumbers& run, const PlanReport& best) {
  std::string text =
      fmt::format("\nThe first: {}\n  settings   mesh.data={} mesh.pipeline={} mesh.vocabulary={} mesh.chunks={}\n  time      ",
                  describe(best.mesh), best.mesh.data, best.mesh.pipeline, best.mesh.vocabulary, best.chunks);
  for (const auto& [name, seconds] : parts_of(best.time)) {
    if (seconds > 0) text += fmt::format(" {} {},", name, seconds_text(seconds));
  }
  text.back() = '\n';
  text += "  memory    ";
  for (const auto& [name, bytes] : best.memory.parts()) {
    if (bytes > 0) text += fmt::format(" {} {},", name, format_bytes(bytes));
  }
  text.back() = '\n';
  for (const Axis axis : kAxes) {
    const std::int64_t bytes = sent_bytes(best.traffic, axis);
    if (bytes == 0) continue;
    text += fmt::format("  sends      {} a step over the axis {}:\n", format_bytes(bytes), trellis::name_of(axis));
    for (const Flow& flow : best.traffic) {
      if (flow.axis == axis) text += fmt::format("              {:>10}  {}\n", format_bytes(flow.sent()), flow.what);
    }
  }
  if (run.lane_groups > 1) text += fmt::format("  units      {} (lane groups times chunks)\n", best.units);
  return text;
}

}  // namespace

std::optional<double> pass_seconds(const PlanLength& length, const PlanReport& report) {
  if (!length.calendar) return std::nullopt;
  RunParts parts = parts_between(*length.calendar, 0, length.calendar->steps_of_pass);
  parts.checkpoints = 0;
  return seconds_of(parts, part_seconds(length, report));
}

std::optional<double> run_seconds(const PlanLength& length, const PlanReport& report) {
  if (!length.total_steps) return std::nullopt;
  if (!length.calendar) return static_cast<double>(*length.total_steps) * report.time.total();
  RunParts parts = parts_between(*length.calendar, 0, *length.total_steps);
  parts.checkpoints = 0;
  return seconds_of(parts, part_seconds(length, report));
}

std::string plan_table(const RunNumbers& run, const Rates& rates, const PlanHeading& heading, const std::vector<PlanReport>& reports,
                       int rows) {
  const ForwardFlops flops = forward_flops(run.shape, cluster_shares_of(run));
  std::string text = fmt::format("network    {} parameters, {}FLOP a token forward, {}FLOP forward and backward\n",
                                 format_count(static_cast<double>(parameter_count(run.shape))), format_count(flops.all()),
                                 format_count(kForwardAndBackward * flops.all()));
  text += fmt::format("step       {} tokens: {} lanes x {} steps{}\nrates      {}\n", run.tokens(), run.lanes, run.steps,
                      run.accumulate > 1 ? fmt::format(" x {} windows", run.accumulate) : "",
                      rates_text(rates, heading));
  if (!heading.length.text.empty()) text += fmt::format("run        {}\n", heading.length.text);
  text +=
      fmt::format("meshes     {} of {} ranks, by predicted time of a step{}; memory of the rank that needs most\n\n", reports.size(),
                  heading.ranks, rates.device_memory > 0 ? fmt::format(", those above {} last", format_bytes(rates.device_memory)) : "");
  text += "     data x stages  vocabulary  chunks      step  tokens/s  efficiency  bubble      memory     pass      run\n";
  for (std::size_t n = 0; n < std::min(reports.size(), static_cast<std::size_t>(rows)); ++n) text += row_of(n + 1, reports[n], rates, heading.length);
  return text + best_of(run, reports.front());
}

std::string plan_json(const RunNumbers& run, const Rates& rates, const PlanHeading& heading, const std::vector<PlanReport>& reports) {
  using nlohmann::json;
  const auto json_of = [](const auto& value) { return value ? json(*value) : json(); };
  const ForwardFlops flops = forward_flops(run.shape, cluster_shares_of(run));
  json meshes = json::array();
  for (const PlanReport& report : reports) {
    json memory, seconds, sent, traffic = json::array();
    for (const auto& [name, bytes] : report.memory.parts()) memory[std::string(name)] = bytes;
    for (const auto& [name, part] : parts_of(report.time)) seconds[std::string(name)] = part;
    for (const Axis axis : kAxes) sent[std::string(trellis::name_of(axis))] = sent_bytes(report.traffic, axis);
    for (const Flow& flow : report.traffic) {
      traffic.push_back({{"what", flow.what},
                         {"axis", trellis::name_of(flow.axis)},
                         {"kind", name_of(flow.kind)},
                         {"ranks", flow.ranks},
                         {"calls", flow.calls},
                         {"payload_bytes", flow.payload},
                         {"sent_bytes", flow.sent()}});
    }
    meshes.push_back({{"data", report.mesh.data},
                      {"pipeline", report.mesh.pipeline},
                      {"vocabulary", report.mesh.vocabulary},
                      {"chunks", report.chunks},
                      {"units", report.units},
                      {"step_seconds", report.time.total()},
                      {"seconds", seconds},
                      {"tokens_per_second", report.tokens_per_second},
                      {"efficiency", report.efficiency},
                      {"bubble", report.bubble},
                      {"fits", report.fits(rates.device_memory)},
                      {"memory_bytes", memory},
                      {"memory_total_bytes", report.memory.total()},
                      {"pass_seconds", json_of(pass_seconds(heading.length, report))},
                      {"run_seconds", json_of(run_seconds(heading.length, report))},
                      {"sent_bytes", sent},
                      {"traffic", traffic}});
  }
  const json network = {{"parameters", parameter_count(run.shape)},
                        {"forward_flops_per_token", flops.all()},
                        {"flops_per_token", kForwardAndBackward * flops.all()}};
  const json machine = {{"measured", heading.measured},
                        {"flops", rates.flops},
                        {"intra_bytes_per_second", rates.intra.bytes_per_second},
                        {"inter_bytes_per_second", rates.inter.bytes_per_second},
                        {"ranks_per_node", rates.ranks_per_node},
                        {"device_memory_bytes", rates.device_memory}};
  return json{{"ranks", heading.ranks}, {"tokens_per_step", run.tokens()},
              {"steps_per_pass", heading.length.calendar ? json(heading.length.calendar->steps_of_pass) : json()},
              {"run_steps", json_of(heading.length.total_steps)}, {"network", network}, {"rates", machine}, {"meshes", meshes}}
             .dump() +
         "\n";
}

}  // namespace trellis
