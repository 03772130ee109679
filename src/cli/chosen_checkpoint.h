// Which checkpoint a command works on, by its flags: one of a run, or one by its path.
#pragma once

#include <string>

#include "checkpoint/reader.h"
#include "config/command_line.h"
#include "ranks/ranks.h"

namespace trellis {

struct ChosenCheckpoint {
  std::string run, checkpoint, which = "best";

  // Declares --run, --which and --checkpoint.
  void add_flags(CommandLine& line);
  // Throws UsageError unless the flags name one checkpoint.
  void check() const;
  // Collective. The checkpoint, its hashes verified. Throws MissingInputError (66) when the run has none or the one that is
  // meant is not there, and what open_newest_complete and CheckpointReader::open throw: never another one than is meant.
  CheckpointReader open(const Ranks& ranks) const;
};

}  // namespace trellis
