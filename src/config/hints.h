// What was probably meant by words that cannot be understood: the ends of error messages, ", did you mean '...'?", or "" where
// nothing is near. They know the settings, what other tools call them (synonyms.h), and how other files are written.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace trellis {

// The known key that was most likely meant by an unknown one: the same option of another section, what another tool calls so, a
// slip in the key or in the option. "" where nothing is near.
std::string nearest_key(const std::string& key);

// For an unknown key: ", did you mean 'train.lanes'?", or what to do instead.
std::string key_hint(const std::string& key);

// For an unknown section.
std::string section_hint(const std::string& section);

// For a flag that the command does not have. value: what stood behind it. settings: the command takes section.option=value, too.
//   --epochs 3      ", did you mean the setting train.epochs=3, without dashes?"
//   --out DIR       ", did you mean '--output'?"
std::string flag_hint(std::string_view flag, const std::optional<std::string>& value, std::span<const std::string> flags, bool settings);

// For a word of the command line that has no '=' in it: "train.epochs:3", "epochs".
std::string word_hint(std::string_view word);

// For a line of a configuration file, below [section] or above the first ("").
//   levels: 4       ", did you mean 'levels = 4'?"
//   model:          ", did you mean '[model]'?"
std::string line_hint(std::string_view line, const std::string& section);

}  // namespace trellis
