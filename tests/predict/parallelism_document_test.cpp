// The worked example of docs/parallelism.md has the numbers that the plan has.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <string>

#include "predict/planned_traffic.h"
#include "tests/predict/run_numbers_helpers.h"
#include "tests/source_folder.h"

namespace trellis {
namespace {

std::string document() {
  std::ostringstream text;
  text << std::ifstream(source_folder() / "docs" / "parallelism.md").rdbuf();
  return text.str();
}

// "| 2 x 1, 1 | gradient | 50.7 MB |": of rank 0, a row for everything that it sends in a step
TEST(ParallelismDocument, HasTheTrafficThatIsPlanned) {
  const std::string text = document();
  for (const Mesh mesh : {Mesh{2, 1, 1}, Mesh{2, 1, 2}, Mesh{1, 2, 2}}) {
    std::int64_t all = 0;
    const auto expect_row = [&](std::string_view what, std::int64_t bytes) {
      const std::string row =
          fmt::format("| {} x {}, {} | {} | {:.1f} MB |\n", mesh.data, mesh.pipeline, mesh.vocabulary, what, static_cast<double>(bytes) / 1e6);
      EXPECT_NE(text.find(row), std::string::npos) << "docs/parallelism.md lacks this row of its table:\n" << row;
    };
    for (const Flow& flow : traffic_of_rank(wikitext103(), mesh, 8, 0)) {
      expect_row(flow.what, flow.sent());
      all += flow.sent();
    }
    expect_row("**all**", all);
  }
}

}  // namespace
}  // namespace trellis
