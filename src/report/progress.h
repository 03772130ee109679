// What a person sees while the run goes on: plain lines, and on a terminal one bar below them, redrawn in place. Only rank 0 makes
// one. Rendering is in two pure functions; Progress decides when and where.
#pragma once

#include <cstdint>
#include <cstdio>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "report/terminal.h"

namespace trellis {

struct ProgressSample {
  std::int64_t step = 0;                         // optimizer steps done
  std::optional<std::int64_t> total_steps = {};  // empty when nobody knows where the run ends
  std::int64_t epoch = 0;                        // the pass over the corpus that runs now, from 1
  double loss_nats = 0;
  std::optional<double> accuracy = {};           // classifiers, in [0, 1]
  double learning_rate = 0;
  double gradient_norm = 0;
  double scored_per_second = 0;                  // tokens, or a classifier's sequences
  std::optional<double> eta_seconds = {};        // to the run's end, validation and checkpoints included
};

// "step 120/450 epoch 1 loss 6.7123 ppl 822.5 lr 0.002 |g| 0.31 2810 tokens/s eta 2m03s"; a classifier's has
// "acc 87.50 %" and "sequences/s" in their places.
std::string progress_line(const ProgressSample& sample);

// " 26% [######----------------] 120/450 2810 tokens/s eta 2m03s loss 6.7123 ppl 822.5", at most `width` characters:
// the bar shrinks first, then what stands at the end is left out.
std::string progress_bar(const ProgressSample& sample, int width);

// Thread-safe: a sign of life (report/heartbeat.h) may come at any time.
class Progress {
 public:
  enum class Style { bar, lines };
  // Without a style: with the bar where `stream` leads to a terminal that can move its cursor (report/terminal.h), else lines alone.
  // Messages of the log (base/log.h) take the bar away while there is one.
  explicit Progress(std::FILE* stream, std::optional<Style> style = std::nullopt);
  Progress(std::FILE* stream, Style style, int width);
  ~Progress();  // ends the bar's line
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  Style style() const { return style_; }

  // Called after every step; `now_seconds` is any steady clock. The bar is redrawn at most five times a second, and at the last step.
  void step(const ProgressSample& sample, double now_seconds);

  // Prints a line of its own, in either style: a step's (progress_line), or "validation at step 450: ...".
  void note(std::string_view line);

  // For others who have a bar of their own (report/work_progress.h): draws it in place; at most this many characters.
  void draw(std::string_view bar);
  int room() const { return width() - 1; }  // the last column stays free: writing there makes some terminals wrap

  // Takes the bar off the screen until the next step, so that somebody else may print.
  void clear();

 private:
  // with the lock held
  void draw_bar(std::string_view bar);
  void clear_bar();
  int width() const;

  std::FILE* stream_;
  std::optional<Terminal> terminal_;
  Style style_;
  int fixed_width_;  // 0: asked of the terminal each time
  std::mutex mutex_;
  bool drawn_ = false;
  std::optional<double> drawn_seconds_;
};

}  // namespace trellis
