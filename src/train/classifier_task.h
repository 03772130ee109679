// Training a classifier of sequences, and how good it is on a split.
#pragma once

#include <memory>

#include "comm/mesh_groups.h"
#include "corpus/sequence_reader.h"
#include "data/sequence_batch_reader.h"
#include "model/sequence_classifier.h"
#include "ranks/ranks.h"
#include "train/evaluation.h"
#include "train/normalised_input.h"
#include "train/task.h"

namespace trellis {

// The order in which the steps of every sequence are read: drawn from the seed (permuted MNIST), or as they are stored.
std::optional<std::vector<std::int64_t>> step_order(bool permuted, std::uint64_t seed, std::int64_t steps);

class ClassifierTask : public Task {
 public:
  struct Options {
    DropoutRates dropout;
    std::uint64_t seed = 1;
    Keep keep = Keep::gates;
    std::optional<at::ScalarType> activations;  // their type where it is not that of the weights
    bool permute = false;  // steps, in one order for the whole run
    bool shuffle = false;  // sequences, in a new order each pass
    int batches_ahead = 4;
  };
  // groups: of as many replicas as ranks. lanes: sequences of a step, all ranks together; they are dealt to the ranks, some may get none.
  ClassifierTask(const Ranks& ranks, const MeshGroups& groups, const TrellisShape& shape, std::shared_ptr<const SequenceReader> sequences, const SequenceBatches& plan,
                 const Options& options, at::TensorOptions tensor_options);

  std::int64_t windows() const override { return plan_.batches(); }
  void begin_pass(std::int64_t pass, std::int64_t window) override;
  ParameterLayout layout() const override { return ParameterLayout(shape_); }
  StepSums forward_backward(const Parameters& weights, std::int64_t step, Parameters& gradients) override;
  std::int64_t all_lanes() const override { return plan_.lanes(); }
  Range lanes() const override { return lanes_; }
  std::vector<LaneState> lane_states() override { return {}; }  // a sequence ends within its step
  std::string description() const override;

 private:
  const Ranks ranks_;
  const MeshGroups& groups_;
  TrellisShape shape_;
  SequenceBatches plan_;
  Range lanes_;
  Options options_;
  at::TensorOptions tensor_options_;
  std::int64_t steps_;  // of a sequence
  NormalisedInput normalised_;
  SequenceClassifier model_;
  DropoutMasks masks_;
  SequenceBatchReader reader_;
};

class ClassifierEvaluator : public Evaluator {
 public:
  ClassifierEvaluator(const Ranks& ranks, const TrellisShape& shape, std::shared_ptr<const SequenceReader> sequences,
                      const SequenceBatches& plan, std::optional<std::vector<std::int64_t>> step_order, at::TensorOptions options);

  EvaluationResult run(const Parameters& weights, const AtPause& at_pause) override;

 private:
  const Ranks ranks_;
  std::int64_t sequences_, batches_;
  Range lanes_;
  NormalisedInput normalised_;
  SequenceClassifier model_;
  SequenceBatchReader reader_;
};

}  // namespace trellis
