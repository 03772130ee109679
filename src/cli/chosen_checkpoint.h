// Which checkpoint a command works on, by its flags: one of a run, or one by its path.
#pragma once

#include <string>

#include "checkpoint/reader.h"
#include "config/command_line.h"
#include "train/ranks.h"

namespace trellis {

struct ChosenCheckpoint {
  std::string run, checkpoint, which = "best";

  // Declares --run, --which and --checkpoint.
  void add_flags(CommandLine& line);
  // Throws UsageError unless the flags name one checkpoint.
  void check() const;
  // Collective. The checkpoint, its hashes verified. Throws MissingInputError (66) when the run has none, and what
  // CheckpointReader::open throws.
  CheckpointReader open(const Ranks& ranks) const;
};

}  // namespace trellis
