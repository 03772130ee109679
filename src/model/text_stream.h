// One text as a network reads it from its beginning, for as long as one likes: the windows of plan/windows.h in evaluation,
// so that a token's probability is what `trellis evaluate` with one lane gives it. What generating text is made of.
//
// Reading a token is the same work wherever it stands; where windows overlap by fewer steps than the levels reach back, their
// overlap is read anew at each window's beginning.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "model/language_stream.h"
#include "plan/windows.h"

namespace trellis {

class TextStream {
 public:
  // window: steps; discard: 0: history is handed on from window to window, else the overlap of the windows, each of which
  // begins without history. where: what they were taken from, for errors. Throws ConfigError when they make no windows.
  TextStream(const TrellisShape& shape, std::int64_t window, std::int64_t discard, const std::string& where, at::TensorOptions options);

  // The weights from now on, which must stay as they are; the text begins.
  void use(const Parameters& weights);

  // The text's next tokens, each in [0, V).
  void read(std::span<const std::int64_t> tokens);
  // Tokens read: where the next one stands in the text.
  std::int64_t position() const { return position_; }

  // --- of the token at position(), after one was read at least ---
  // log p of every word, [V] float64 on the CPU.
  at::Tensor log_probabilities();
  // log p of one, with the arithmetic of evaluation.
  double log_probability(std::int64_t token);

 private:
  void begin_window(const Window& window);
  void advance(std::span<const std::int64_t> tokens);

  WindowPlan plan_;
  // The overlap is all that the levels reach: what a window would compute again is there already.
  bool continuous_;
  LanguageStream stream_;
  std::int64_t window_ = 0;  // the next one to begin
  std::int64_t position_ = 0;
  std::vector<std::int64_t> latest_;  // the tokens that the next window reads again, if any, at the end
};

}  // namespace trellis
