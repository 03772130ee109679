// The order of folders and what only some of them may touch, as one declaration and a function that holds a source file
// against it (docs/architecture.md tells why).
#pragma once

#include <string>
#include <vector>

namespace trellis {

// What is wrong in the file `path` ("src/plan/ranges.h", relative to the project) with this text: one line a fault,
// "src/plan/ranges.h:7: ..."; empty when nothing is.
std::vector<std::string> layering_faults(const std::string& path, const std::string& text);

// C++ text with comments and the insides of literals blanked, so that its line numbers stay.
std::string without_comments_and_literals(const std::string& text);

}  // namespace trellis
