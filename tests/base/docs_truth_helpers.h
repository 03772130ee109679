// What README.md and docs/*.md claim exists: paths, programs' flags, settings. Pure text in, claims and faults out; the
// test supplies the world that they are held against.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace trellis {

// What the checker may ask about the project.
struct ProjectFacts {
  // Does this path, relative to the project's folder, exist? "build/bin/NAME" is a built program.
  std::function<bool(const std::string& path)> exists;
  // --help of a command ({"trellis", "train"}, {"parity", ""}) or a script's text ({"launch/build", ""}); empty when
  // there is no such command.
  std::function<std::optional<std::string>(const std::string& program, const std::string& command)> help;
  // "train.lanes" and so on.
  std::function<bool(const std::string& key)> is_setting;
};

// One line a fault, "README.md:12: ...". `document` is its path relative to the project. Looked at are code blocks and
// `spans`, and the targets of [links](path):
//   paths     that begin with a folder of the project, or of src/ with a source's ending; * stands for anything
//   --flags   behind the name of one of the project's programs or scripts; alone in a span, any of them may have it.
//             Flags behind the name of some other program (mpirun, cmake) are that program's.
//   settings  section.option of the sections that exist, and any section.option=value
// What holds a placeholder (<x>, {x}, ..., $x, UPPER_CASE) cannot be checked.
std::vector<std::string> documentation_faults(const std::string& document, const std::string& text,
                                              const ProjectFacts& facts);

}  // namespace trellis
