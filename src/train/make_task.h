// From data and settings to what a run trains and what it is judged by.
#pragma once

#include <ATen/ATen.h>

#include <memory>
#include <optional>
#include <string>

#include "comm/mesh_groups.h"
#include "config/settings.h"
#include "plan/trellis_shape.h"
#include "ranks/ranks.h"
#include "train/dataset.h"
#include "train/evaluation.h"
#include "train/task.h"

namespace trellis {

// Collective, like all here; errors are agreed on. One rank of a machine hashes the shards if settings.data.verify.
// groups must outlive the task. chunks: of a window's time; a language model's.
std::unique_ptr<Task> make_training_task(const Ranks& ranks, const MeshGroups& groups, const Dataset& data, const Settings& settings, const TrellisShape& shape,
                                         std::int64_t chunks, at::TensorOptions options);

// How a text is cut for evaluation. Sequences are just dealt to the lanes.
struct EvaluationCut {
  std::int64_t lanes = 1;
  std::int64_t window = 1;   // steps
  std::int64_t discard = 0;  // leading steps of every window that only build up history; 0: history is handed on
  std::int64_t context = 0;  // see WindowPlan
  // As the authors' scripts do: no lane's first `discard` predictions are ever scored.
  bool like_scripts = false;
  std::optional<std::int64_t> limit = {};  // only so many tokens or sequences from the split's beginning
};
// The cut of validation during training.
EvaluationCut validation_cut(const Settings& settings);

// groups: of the mesh whose parameters will be evaluated; must outlive the evaluator.
std::unique_ptr<LanguageModelEvaluator> make_text_evaluator(const Ranks& ranks, const MeshGroups& groups, const Dataset& data, const std::string& split,
                                                            const EvaluationCut& cut, const TrellisShape& shape, at::TensorOptions options);
std::unique_ptr<Evaluator> make_evaluator(const Ranks& ranks, const MeshGroups& groups, const Dataset& data, const std::string& split, const EvaluationCut& cut,
                                          const Settings& settings, const TrellisShape& shape, at::TensorOptions options);

}  // namespace trellis
