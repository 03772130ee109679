// The language model in use, without dropout and gradient: tokens go in a few steps at a time, probabilities come out. What
// evaluation and sampling are made of.
//
// History as in training: begin_window(history()) at every window's edge hands it on; begin_window(zero_history()) discards
// it; with one begin_window and no more the network sees everything that its levels reach.
#pragma once

#include <ATen/ATen.h>

#include <memory>

#include "model/level_stream.h"
#include "model/output_layer.h"

namespace trellis {

class LanguageStream {
 public:
  // max_steps: the most that advance will be called with.
  LanguageStream(const TrellisShape& shape, std::int64_t lanes, std::int64_t max_steps, at::TensorOptions options);
  virtual ~LanguageStream() = default;

  // The weights from now on: effective kernels are computed here, once. They must stay as they are until the next call.
  void use(const Parameters& weights);

  History zero_history() const;
  void begin_window(const History& history) { levels_.begin_window(history); }
  // tokens: [steps * lanes] int64 on the CPU, time-major.
  void advance(const at::Tensor& tokens);

  // --- of the last advance ---
  History history() const { return levels_.history(); }  // see LevelStream
  // -log p, nats, of `targets` [rows] after the last `rows` rows of the chunk: [rows] float64 where the weights are.
  at::Tensor negative_log_probabilities(const at::Tensor& targets);
  // log p of every word after the last step, [lanes, V].
  at::Tensor log_probabilities();

 protected:
  // With another output layer.
  LanguageStream(const TrellisShape& shape, std::int64_t lanes, std::int64_t max_steps, std::unique_ptr<OutputLayer> output_layer,
                 at::TensorOptions options);
  const Parameters& weights() const;
  OutputLayer& output_layer() { return *output_layer_; }

 private:
  // values [rows, E] of tokens [rows].
  virtual void lookup(const at::Tensor& tokens, const at::Tensor& values);
  // -log p of targets [rows] after outputs hidden [rows, O]: float64 where the weights are.
  virtual at::Tensor losses(const at::Tensor& hidden, const at::Tensor& targets);

  TrellisShape shape_;
  std::int64_t lanes_;
  at::TensorOptions options_;
  const Parameters* weights_ = nullptr;
  EffectiveKernels kernels_;
  LevelStream levels_;
  std::unique_ptr<OutputLayer> output_layer_;
};

}  // namespace trellis
