// "trellis-preprocess text": its flags, its progress line and its summary.
#pragma once

#include <span>
#include <string>

#include "base/exit_codes.h"

namespace trellis {

// arguments: those after "text". Prints the result on standard output. Throws Error and Interrupted.
ExitCode text_command(std::span<const std::string> arguments);

}  // namespace trellis
