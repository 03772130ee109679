// The program `parity`: see parity/parity.h.
#include "base/current_error.h"
#include "base/output.h"
#include "base/process_start.h"
#include "config/command_line.h"
#include "parity/parity.h"

int main(int argc, char** argv) {
  trellis::prepare_process();
  try {
    const int code = trellis::parity_command(trellis::arguments_of(argc, argv));
    trellis::expect_output_written();
    return code;
  } catch (...) {
    const trellis::Error error = trellis::current_error();
    trellis::log_ending(error);
    return static_cast<int>(error.code());
  }
}
