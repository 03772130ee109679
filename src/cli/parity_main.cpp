// The program `parity`: see cli/parity.h.
#include <cstdio>
#include <exception>

#include "base/errors.h"
#include "base/log.h"
#include "cli/dispatch.h"
#include "cli/parity.h"
#include "config/command_line.h"

int main(int argc, char** argv) {
  try {
    const int code = trellis::parity_command(trellis::arguments_of(argc, argv));
    trellis::expect_output_written();
    return code;
  } catch (const trellis::Error& error) {
    trellis::log_error("{}", error.what());
    return static_cast<int>(error.code());
  } catch (const std::exception& error) {
    trellis::log_error("{}", error.what());
    return static_cast<int>(trellis::ExitCode::internal);
  }
}
