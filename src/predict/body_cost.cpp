#include "predict/body_cost.h"

#include <algorithm>

namespace trellis {
namespace {

// A stack's time is overhead * chunks + per_row * rows.
struct Line {
  double overhead, per_row;
};

Line line_of(const StackTiming& timing) {
  const auto chunks = static_cast<double>(timing.chunks), rows = static_cast<double>(timing.rows);
  const double overhead = timing.chunks > 1 ? std::clamp((timing.cut - timing.whole) / (chunks - 1), 0.0, timing.whole) : 0;
  return {overhead, (timing.whole - overhead) / rows};
}

// Splits a stack's number into what it has in any case and what each level adds.
struct Split {
  double fixed, per_level;
};
Split split(double of_few, double of_many, const StackTiming& few, const StackTiming& many) {
  const auto fewer = static_cast<double>(few.levels), more = static_cast<double>(many.levels);
  const double per_level = more > fewer ? std::clamp((of_many - of_few) / (more - fewer), 0.0, of_many / more) : of_many / more;
  return {of_many - more * per_level, per_level};
}

}  // namespace

BodyCost body_cost_from(const StackTiming& few, const StackTiming& many) {
  const Line a = line_of(few), b = line_of(many);
  const Split unit = split(a.overhead, b.overhead, few, many), row = split(a.per_row, b.per_row, few, many);
  BodyCost cost;
  cost.unit = unit.fixed, cost.unit_level = unit.per_level;
  cost.row = row.fixed, cost.row_level = row.per_level;
  cost.window_row_level = std::max(0.0, many.window) / static_cast<double>(many.rows * many.levels);
  return cost;
}

}  // namespace trellis
