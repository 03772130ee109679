// "trellis-preprocess images": its flags, its progress line and its summary.
#pragma once

#include <span>
#include <string>

#include "base/exit_codes.h"

namespace trellis {

// arguments: those after "images". Prints the result on standard output. Throws Error and Interrupted.
ExitCode image_command(std::span<const std::string> arguments);

}  // namespace trellis
