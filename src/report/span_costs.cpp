#include "report/span_costs.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string_view>

namespace trellis {

std::vector<SpanRecord> in_order_of_beginning(std::span<const SpanRecord> spans, int track) {
  std::vector<SpanRecord> ordered;
  for (const SpanRecord& span : spans) {
    if (span.track == track) ordered.push_back(span);
  }
  // what encloses ends later, so of two alike the later recorded is the outer one
  std::reverse(ordered.begin(), ordered.end());
  std::stable_sort(ordered.begin(), ordered.end(), [](const SpanRecord& a, const SpanRecord& b) {
    return a.begin_ns != b.begin_ns ? a.begin_ns < b.begin_ns : a.end_ns > b.end_ns;
  });
  return ordered;
}

std::vector<SpanCost> span_costs(std::span<const SpanRecord> spans, int track) {
  const std::vector<SpanRecord> ordered = in_order_of_beginning(spans, track);
  std::map<std::string_view, SpanCost> by_name;
  std::vector<const SpanRecord*> open;
  for (const SpanRecord& span : ordered) {
    while (!open.empty() && open.back()->end_ns <= span.begin_ns) open.pop_back();
    const double seconds = 1e-9 * static_cast<double>(span.end_ns - span.begin_ns);
    if (!open.empty()) by_name[open.back()->name].own_seconds -= seconds;
    SpanCost& cost = by_name[span.name];
    ++cost.count;
    cost.own_seconds += seconds;
    open.push_back(&span);
  }
  std::vector<SpanCost> costs;
  for (auto& [name, cost] : by_name) {
    cost.name = name;
    costs.push_back(cost);
  }
  std::stable_sort(costs.begin(), costs.end(), [](const SpanCost& a, const SpanCost& b) { return a.own_seconds > b.own_seconds; });
  return costs;
}

std::string span_costs_table(const std::vector<SpanCost>& costs, std::size_t most) {
  double all = 0;
  for (const SpanCost& cost : costs) all += cost.own_seconds;
  std::string table = fmt::format("{:>8} {:>8} {:>10}  {}", "share", "count", "mean ms", "span");
  for (std::size_t n = 0; n < std::min(most, costs.size()); ++n) {
    const SpanCost& cost = costs[n];
    table += fmt::format("\n{:6.1f} % {:8} {:10.3f}  {}", all > 0 ? 100 * cost.own_seconds / all : 0.0, cost.count,
                         1e3 * cost.own_seconds / static_cast<double>(cost.count), cost.name);
  }
  return table;
}

}  // namespace trellis
