#!/bin/bash
# Exit codes and messages of failing ranks as a user sees them through mpirun: the code passes, the message appears once
# with rank and host, nothing hangs, and without mpirun the program starts even where there is neither ssh nor rsh.
set -u
program=${BUILD_BIN%/bin}/tests/exit_program_mpi_test
failures=0

# expect CODE TEXT COUNT COMMAND...: the command exits with CODE and prints TEXT in COUNT lines
expect() {
  local code=$1 text=$2 count=$3 output status lines
  shift 3
  output=$(timeout 60 "$@" 2>&1)
  status=$?
  lines=$(grep -c -F -- "$text" <<< "$output")
  if [ "$status" != "$code" ] || [ "$lines" != "$count" ] || grep -q "Backtrace\|\*\*\* Process received signal" <<< "$output"; then
    printf 'FAILED: %s\n  expected exit %s and %s lines with "%s", got exit %s and %s lines:\n%s\n' \
      "$*" "$code" "$count" "$text" "$status" "$lines" "$output"
    failures=$((failures + 1))
  fi
}

ranks=3
expect 0 "error" 0 mpirun -n $ranks "$program"
expect 74 "error: no space" 1 mpirun -n $ranks "$program" agreed
expect 74 "rank $((ranks - 1)) on $(hostname)" 1 mpirun -n $ranks "$program" agreed
expect 65 "[rank $((ranks - 1))] error: token 9 of 8" 1 mpirun -n $ranks "$program" alone
expect 70 "error: unforeseen" 1 mpirun -n $ranks "$program" foreign
expect 76 "error: " 0 mpirun -n $ranks "$program" abort
expect 0 "error" 0 "$program"
expect 74 "error: no space" 1 "$program" agreed
expect 65 "error: token 9 of 8" 1 "$program" alone
expect 76 "error:" 0 "$program" abort
# no ssh or rsh, and none of the variables that the test's environment brings
expect 0 "error" 0 env -i PATH=/nonexistent HOME=/tmp TMPDIR="${TMPDIR:-/tmp}" "$program"

[ "$failures" = 0 ] && echo "exit codes pass through mpirun"
exit $((failures > 0))
