#include "plan/mesh.h"

#include <fmt/format.h>

#include "base/errors.h"

namespace trellis {
namespace {

// "1, 2, 3, 6"
std::string divisors(int number) {
  std::string text;
  for (int n = 1; n <= number; ++n) {
    if (number % n == 0) text += fmt::format("{}{}", text.empty() ? "" : ", ", n);
  }
  return text;
}

int ranks_of(const VocabularyLayout& layout, int ranks, int pipeline) {
  switch (layout.kind) {
    case VocabularyLayout::Kind::replicated: return 1;
    case VocabularyLayout::Kind::stages: return pipeline;
    case VocabularyLayout::Kind::world: return ranks;
    case VocabularyLayout::Kind::ranks: return layout.ranks;
  }
  return 1;
}

}  // namespace

Mesh make_mesh(int ranks, int data, int pipeline, const VocabularyLayout& vocabulary, std::int64_t levels) {
  if (pipeline > levels) {
    throw ConfigError(fmt::format("mesh.pipeline is {}, but the network has {} levels", pipeline, levels), "mesh.pipeline, model.levels",
                      fmt::format("a stage needs a level: set mesh.pipeline to at most {}", levels));
  }
  if (data == 0) {
    if (ranks % pipeline != 0) {
      throw ConfigError(fmt::format("mesh.pipeline is {}, but {} ranks are running", pipeline, ranks), "mesh.pipeline",
                        fmt::format("start a multiple of {} ranks, or set mesh.pipeline to one of {}", pipeline, divisors(ranks)));
    }
    data = ranks / pipeline;
  }
  if (std::int64_t{data} * pipeline != ranks) {
    throw ConfigError(fmt::format("mesh.data is {} and mesh.pipeline is {}, which makes {} ranks, but {} are running", data, pipeline,
                                  std::int64_t{data} * pipeline, ranks),
                      "mesh.data, mesh.pipeline",
                      fmt::format("start {} ranks, or set mesh.data=0, which takes as many replicas as there are ranks for",
                                  std::int64_t{data} * pipeline));
  }
  const int group = ranks_of(vocabulary, ranks, pipeline);
  if (group < 1 || ranks % group != 0) {
    throw ConfigError(fmt::format("mesh.vocabulary is {}, but {} ranks are running", group, ranks), "mesh.vocabulary",
                      fmt::format("set it to a number that divides the ranks: {}", divisors(ranks)));
  }
  return {.data = data, .pipeline = pipeline, .vocabulary = group};
}

std::string describe(const Mesh& mesh) {
  const auto count = [](int n, const char* one) { return fmt::format("{} {}{}", n, one, n == 1 ? "" : "s"); };
  const std::string vocabulary = mesh.vocabulary == 1 ? "the vocabulary on every rank"
                                                      : fmt::format("the vocabulary over {} ranks", mesh.vocabulary);
  return fmt::format("{} x {}, {}", count(mesh.data, "replica"), count(mesh.pipeline, "stage"), vocabulary);
}

}  // namespace trellis
