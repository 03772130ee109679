// What a run's end is summed up to: the best network and where it lies, what the run took, and the commands that go on from here.
// Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace trellis {

struct RunSummary {
  struct Best {
    double loss_nats = 0;
    std::optional<double> accuracy = {};  // classifiers, where it is known
    std::int64_t step = 0;
    std::optional<std::string> checkpoint = {};  // path, if it is there
  };
  bool is_text = true;
  std::int64_t step = 0;
  std::optional<Best> best = {};
  std::optional<std::string> newest_checkpoint = {};
  // by this process
  std::int64_t steps = 0, scored = 0;
  double seconds = 0, step_seconds = 0, validation_seconds = 0, checkpoint_seconds = 0;
  // to go on
  bool resumable = false;                    // stopped before its end
  std::string program = "trellis", run, data;
  int ranks = 1;
  std::string launcher = "mpirun";  // what starts them
  std::optional<std::string> further = {};  // the word that makes an ended run longer: "train.steps=900"
};

// Lines, without an end of line behind the last.
std::vector<std::string> summary_lines(const RunSummary& summary);

// As one word of a shell: quoted where it needs to be.
std::string shell_word(std::string_view text);

}  // namespace trellis
