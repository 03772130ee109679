// The language model in use (model/language_stream.h) where the vocabulary lies with several ranks: each rank computes all levels
// for lanes of its own, and the ranks of a vocabulary group look up and score each other's words. They go through their windows
// in step, with equally many lanes and steps; what a rank has too few of it fills up.
#pragma once

#include "comm/mesh_groups.h"
#include "model/language_stream.h"

namespace trellis {

class VocabularyStream : public LanguageStream {
 public:
  // groups must outlive this; its vocabulary group has several ranks. lanes: of each of them.
  VocabularyStream(const MeshGroups& groups, const TrellisShape& shape, std::int64_t lanes, std::int64_t max_steps, at::TensorOptions options);

 private:
  // Collective in the group, both.
  void lookup(const at::Tensor& tokens, const at::Tensor& values) override;
  at::Tensor losses(const at::Tensor& hidden, const at::Tensor& targets) override;
  // Of every rank, in order, on the CPU: [ranks * rows].
  at::Tensor gathered(const at::Tensor& numbers) const;

  const MeshGroups& groups_;
  VocabularyStripes stripes_;
  std::int64_t lanes_;
  at::TensorOptions options_;
};

}  // namespace trellis
