// What a person sees while the run goes on: one bar, redrawn in place, on a terminal; plain lines otherwise. Only rank
// 0 makes one. Rendering is in two pure functions; Progress decides when and where.
#pragma once

#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>

namespace trellis {

struct ProgressSample {
  std::int64_t step = 0;                         // optimizer steps done
  std::optional<std::int64_t> total_steps = {};  // empty when nobody knows where the run ends
  std::int64_t epoch = 0;                        // the pass over the corpus that runs now, from 1
  double loss_nats = 0;
  std::optional<double> accuracy = {};           // classifiers: of this step, in [0, 1]
  double learning_rate = 0;
  double gradient_norm = 0;
  double scored_per_second = 0;                  // tokens, or a classifier's sequences
  std::optional<double> eta_seconds = {};  // left empty, Progress estimates it from the steps it has seen
};

// "step 120/450 epoch 1 loss 6.7123 ppl 822.5 lr 0.002 |g| 0.31 2810 tokens/s eta 2m03s"; a classifier's has
// "acc 87.50 %" and "sequences/s" in their places.
std::string progress_line(const ProgressSample& sample);

// " 26% [######----------------] 120/450 2810 tokens/s eta 2m03s loss 6.7123 ppl 822.5", at most `width` characters:
// the bar shrinks first, then what stands at the end is left out.
std::string progress_bar(const ProgressSample& sample, int width);

class Progress {
 public:
  enum class Style { bar, lines };
  // The bar when `stream` is a terminal that can move its cursor, else lines.
  explicit Progress(std::FILE* stream);
  Progress(std::FILE* stream, Style style, int width);
  ~Progress();  // ends the bar's line
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  Style style() const { return style_; }

  // Called after every step; `now_seconds` is any steady clock. The bar is redrawn at most five times a second, and at
  // the last step; a plain line is printed when `line_is_due`.
  void step(ProgressSample sample, bool line_is_due, double now_seconds);

  // Prints a line of its own ("validation at step 450: ..."), in either style.
  void note(std::string_view line);

  // For others who have a bar of their own (report/work_progress.h): draws it in place; at most this many characters.
  void draw(std::string_view bar);
  int room() const { return width() - 1; }  // the last column stays free: writing there makes some terminals wrap

  // Takes the bar off the screen until the next step, so that somebody else may print.
  void clear();

 private:
  int width() const;

  std::FILE* stream_;
  Style style_;
  int fixed_width_;  // 0: asked of the terminal each time
  bool drawn_ = false;
  std::optional<double> first_seconds_, drawn_seconds_;
  std::int64_t first_step_ = 0;
};

}  // namespace trellis
