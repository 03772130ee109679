// Every exception as an Error with an exit code: what is no trellis::Error is recognised as far as it can be.
#pragma once

#include <string_view>

#include "base/errors.h"

namespace trellis {

// The error that the exception being handled amounts to: itself; ConfigError's code where memory or threads are lacking;
// InternalError's for anything else that is no trellis::Error. To be called in a catch block.
Error current_error();

// The message that a program ends with: an error, or of ExitCode::stopped_early, which is none, a warning. more: behind it.
void log_ending(const Error& error, std::string_view more = "");

}  // namespace trellis
