// What a parity file asks for, checked: the network, the objective, the update rule, and its tensors by name with the shapes
// that the config implies (tests/parity/README.md).
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <string>
#include <vector>

#include "model/dropout.h"
#include "model/history.h"
#include "model/objective.h"
#include "model/parameters.h"
#include "model/sequence_classifier.h"
#include "model/window_tokens.h"
#include "optimizer/optimizer.h"
#include "parity/parity_file.h"

namespace trellis {

class ParityCase {
 public:
  // Throws DataError when the config does not describe a network, or one too large for this format, and ConfigError when it
  // describes what this program does not have.
  ParityCase(const ParityFile& file, at::TensorOptions options);

  const ParityFile& file() const { return file_; }
  at::TensorOptions options() const { return options_; }
  const TrellisShape& shape() const { return shape_; }
  std::int64_t lanes() const { return lanes_; }

  // A value of the config. Throws DataError naming file and key if it is missing or of another type.
  template <class T>
  T setting(const char* name) const;

  // Refuses sizes that no file of this format holds before memory is allocated for them.
  void refuse_large(std::int64_t window_steps) const;

  // Throws DataError unless the dataset is there with this shape; in the type of options().
  at::Tensor read(const std::string& name, at::IntArrayRef shape) const;
  at::Tensor read_if_there(const std::string& name, at::IntArrayRef shape) const;  // undefined if it is not
  // Integers [lanes, steps], each in [0, vocabulary), as time-major rows.
  at::Tensor tokens(const std::string& name) const;
  History history(const char* hidden, const char* cell) const;

 protected:
  void set_lanes(std::int64_t lanes) { lanes_ = lanes; }
  [[noreturn]] void refuse(const std::string& what, const std::string& place) const;

 private:
  TrellisShape read_shape() const;

  const ParityFile& file_;
  at::TensorOptions options_;
  TrellisShape shape_;
  std::int64_t lanes_ = 0;
};

// A case that trains: update rule, masks, initial parameters.
class TrainingCase : public ParityCase {
 public:
  TrainingCase(const ParityFile& file, at::TensorOptions options);

  std::int64_t steps() const { return steps_; }
  const OptimizerRule& rule() const { return rule_; }
  bool averaged() const { return averaged_; }
  double learning_rate() const { return learning_rate_; }
  std::int64_t discard() const { return discard_; }
  Objective objective() const { return objective_; }

  // In the rank's own layout.
  Parameters initial_weights(const ParameterLayout& layout) const;
  // tokens, targets; sequences and labels of a classifier. `step`: "step0", ...
  WindowTokens window(const std::string& step) const;
  LabelledSequences sequences(const std::string& step) const;
  DropoutMasks masks(const std::string& step) const;

 private:
  KernelDropout kernel_mask(const std::string& name, const char* parameter) const;
  std::vector<at::Tensor> masks_of_outputs(const std::string& final_name, const std::string& auxiliary_name, std::int64_t width) const;
  // [lanes, channels, steps] of a dataset to time-major rows [steps * lanes, channels]; undefined if it is not there
  at::Tensor time_major(const std::string& name, std::int64_t steps) const;

  std::int64_t steps_ = 0, discard_ = 0;
  OptimizerRule rule_;
  bool averaged_ = false;
  double learning_rate_ = 0;
  Objective objective_;
};

// A case that only answers: tokens, targets, and what a network with given weights makes of them.
class AnsweringCase : public ParityCase {
 public:
  AnsweringCase(const ParityFile& file, at::TensorOptions options);
};

}  // namespace trellis
