// The exit codes of every program of this project. They pass through mpirun unchanged, so scripts and batch systems
// can act on them; docs/architecture.md lists what each means to a user.
#pragma once

namespace trellis {

enum class ExitCode : int {
  done = 0,
  wrong_flags = 2,       // the command line cannot be understood
  numeric_failure = 16,  // a loss or gradient stopped being finite
  bad_data = 65,         // an input exists but is malformed, damaged or does not fit
  input_missing = 66,    // an input cannot be found or opened
  internal = 70,         // a fault of this program
  output_exists = 73,    // refusing to overwrite
  write_failed = 74,     // disk full, quota, permission, failed fsync
  stopped_early = 75,    // stopped by a signal or limit; resume with --resume auto
  watchdog = 76,         // a rank or a collective stopped answering
  wrong_setting = 78,    // a setting has an impossible value, wherever it was given
};

}  // namespace trellis
