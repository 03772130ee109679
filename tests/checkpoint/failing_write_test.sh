#!/bin/bash
# Writes that fail: a full disk for real, and every kind of system call made to fail in turn, on one rank of three. Each
# time all ranks must end with exit code 74 and one message within seconds, nothing temporary may stay, and the checkpoint
# that was there before must still load.
set -u
program=${BUILD_BIN%/bin}/tests/checkpoint_program_mpi_test
work=$(mktemp -d "${TMPDIR:-/tmp}/trellis-failing-write-XXXXXX")
trap 'rm -rf "$work"' EXIT
failures=0
# shellcheck source=file_components.sh
source "$SOURCE_DIR/tests/checkpoint/file_components.sh"
romio=$(file_components io | grep romio) || { echo "FAILED: this Open MPI has no romio"; exit 1; }

fail() {
  printf 'FAILED: %s\n%s\n' "$1" "$2"
  failures=$((failures + 1))
}

# check_failed NAME TEXT STATUS OUTPUT ROOT: what every failed write must leave behind
check_failed() {
  local errors
  errors=$(grep -c "error: " <<< "$4")
  [ "$3" = 74 ] || fail "$1: exit code $3, expected 74" "$4"
  [ "$errors" = 1 ] || fail "$1: $errors messages, expected 1" "$4"
  grep -q -- "$2" <<< "$4" || fail "$1: no message with '$2'" "$4"
  grep -q "Process received signal" <<< "$4" && fail "$1: a crash" "$4"
  [ "$(ls -A "$5")" = "step-0000000001" ] || fail "$1: the folder holds more or less than the old checkpoint" "$(ls -A "$5")"
  [ "$("$program" newest "$5" 301 2>&1)" = "newest 1" ] || fail "$1: the old checkpoint does not load" ""
}

cc -shared -fPIC -O1 -o "$work/failing_calls.so" "$SOURCE_DIR/tests/checkpoint/failing_calls.c" || exit 1
"$program" write "$work/checkpoints" 1 1 301 > "$work/log" 2>&1 || fail "the first checkpoint" "$(cat "$work/log")"

# call, which one from the start, rank, errno (5 EIO, 28 ENOSPC, 122 EDQUOT), text of the message
while read -r call at rank number text; do
  output=$(timeout 30 mpirun -n 3 env FAIL_CALL="$call" FAIL_AT="$at" FAIL_RANK="$rank" FAIL_ERRNO="$number" \
    FAIL_PATH="$work/checkpoints" LD_PRELOAD="$work/failing_calls.so" "$program" write "$work/checkpoints" 2 2 301 2>&1 < /dev/null)
  check_failed "$call $at on rank $rank, errno $number" "$text" $? "$output" "$work/checkpoints"
done << 'CASES'
posix_fallocate 1 0 28 No space left on device
posix_fallocate 1 0 122 Disk quota exceeded
pwrite 1 0 28 No space left on device
pwrite 2 0 28 No space left on device
pwrite 3 0 28 No space left on device
pwrite 5 0 28 reads back differently
pwrite 6 0 5 reads back differently
fsync 1 0 5 Input/output error
fsync 1 2 5 rank 2 on
fsync 2 0 5 manifest.json
fsync 3 0 5 this directory
rename 1 0 5 cannot rename
CASES

# Where MPI reports a failed write (romio; no collective buffering), HDF5 would leave the other ranks waiting: they agree all
# the same.
while read -r component call at rank; do
  output=$(timeout 30 mpirun -n 3 env "$component" FAIL_CALL="$call" FAIL_AT="$at" FAIL_RANK="$rank" FAIL_ERRNO=28 \
    FAIL_PATH="$work/checkpoints" LD_PRELOAD="$work/failing_calls.so" "$program" write "$work/checkpoints" 2 2 301 2>&1 < /dev/null)
  check_failed "$component, $call $at on rank $rank" "rank $rank on .*state.h5" $? "$output" "$work/checkpoints"
done << CASES
OMPI_MCA_io=$romio pwrite 3 0
OMPI_MCA_io=$romio pwrite 4 0
OMPI_MCA_io=$romio pwrite 1 1
OMPI_MCA_fcoll=individual pwrite 4 0
OMPI_MCA_fcoll=individual pwrite 1 2
CASES

# A file system without an atomic exchange (errno 22) still lets a checkpoint replace its namesake.
output=$(mpirun -n 2 env FAIL_CALL=renameat2 FAIL_AT=1 FAIL_RANK= FAIL_ERRNO=22 FAIL_PATH="$work/checkpoints" \
  LD_PRELOAD="$work/failing_calls.so" "$program" write "$work/checkpoints" 1 1 301 2>&1) || fail "no exchange" "$output"
[ "$(ls -A "$work/checkpoints")" = "step-0000000001" ] || fail "no exchange: leftovers" "$(ls -A "$work/checkpoints")"

# A file system of 4 MiB: the first checkpoint (1.2 MB) fits, one of 8 MB does not. Needs the right to mount one, as root
# or in a name space of one's own; where neither is given, the failing calls above stand for it.
full_disk() {
  mkdir "$work/small" && mount -t tmpfs -o size=4m tmpfs "$work/small" || return 200
  "$program" write "$work/small/checkpoints" 1 1 301 > /dev/null
  timeout 30 mpirun -n 3 "$program" write "$work/small/checkpoints" 2 2 2001 2>&1
  local status=$?
  ls -A "$work/small/checkpoints" > "$work/left"
  "$program" newest "$work/small/checkpoints" 301 >> "$work/left" 2>&1
  umount "$work/small"
  return $status
}
if mkdir "$work/probe" && mount -t tmpfs tmpfs "$work/probe" 2> /dev/null; then
  umount "$work/probe"
  output=$(full_disk)
  status=$?
elif unshare -rm true 2> /dev/null; then
  export -f full_disk
  export program work
  output=$(unshare -rm bash -c full_disk)
  status=$?
else
  echo "no right to mount a small file system: the full disk was shown by failing calls only"
  status=none
fi
if [ "$status" != none ]; then
  [ "$status" = 74 ] || fail "full disk: exit code $status, expected 74" "$output"
  [ "$(grep -c 'error: cannot reserve .*No space left' <<< "$output")" = 1 ] || fail "full disk: not one clear message" "$output"
  [ "$(cat "$work/left")" = "$(printf 'step-0000000001\nnewest 1')" ] || fail "full disk: what is left" "$(cat "$work/left")"
fi

[ "$failures" = 0 ] && echo "failed writes end all ranks with 74 and lose nothing"
exit $((failures > 0))
