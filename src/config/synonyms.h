// What users of other tools call our settings, sections and flags: one table, for the hints of error messages (hints.h). Such a
// word is never accepted in place of ours.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace trellis {

// How words are compared: small letters, '_' for '-', without leading dashes. "--Batch-Size": "batch_size".
std::string plain_word(std::string_view word);

// The setting that other tools call so ("lr": "optimizer.learning_rate"); a whole key may stand there, too ("optimizer.lr").
std::optional<std::string> setting_called(std::string_view word);

// The section that other tools call so ("optim": "optimizer").
std::optional<std::string> section_called(std::string_view word);

// Of the flags that a command has, the one that other tools call so ("out": "output", or "run").
std::optional<std::string> flag_called(std::string_view word, std::span<const std::string> flags);

// Where no single setting is meant: a sentence without its full stop ("gpus": "a rank is started for each GPU: mpirun -n N ...").
std::optional<std::string> advice_about(std::string_view word);

// For tests: each setting, section and flag that the table leads to.
struct SynonymTargets {
  std::vector<std::string> settings, sections, flags;
};
SynonymTargets synonym_targets();

}  // namespace trellis
