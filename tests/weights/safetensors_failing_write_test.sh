#!/bin/bash
# Writing a safetensors file fails: on a full disk for real, and with each of its system calls made to fail. Every time the
# program must end with exit code 74 and one message that names the file, and nothing may be left.
set -u
program=${BUILD_BIN%/bin}/tests/checkpoint_program_mpi_test
from=$SOURCE_DIR/tests/checkpoint/golden/weights.safetensors
work=$(mktemp -d "${TMPDIR:-/tmp}/trellis-safetensors-failing-XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir "$work/out"
failures=0

fail() {
  printf 'FAILED: %s\n%s\n' "$1" "$2"
  failures=$((failures + 1))
}

# check_failed NAME TEXT STATUS OUTPUT LEFT
check_failed() {
  [ "$3" = 74 ] || fail "$1: exit code $3, expected 74" "$4"
  [ "$(grep -c "^error: " <<< "$4")" = 1 ] || fail "$1: not one message" "$4"
  grep -q -- "$2" <<< "$4" || fail "$1: no message with '$2'" "$4"
  grep -q "where: .*/weights$" <<< "$4" || fail "$1: the message does not name the file" "$4"
  [ -z "$5" ] || fail "$1: the folder is not empty" "$5"
}

cc -shared -fPIC -O1 -o "$work/failing_calls.so" "$SOURCE_DIR/tests/checkpoint/failing_calls.c" || exit 1
failing() {  # CALL AT ERRNO: copies with this call failing
  env FAIL_CALL="$1" FAIL_AT="$2" FAIL_ERRNO="$3" FAIL_PATH="$work/out" LD_PRELOAD="$work/failing_calls.so" \
    "$program" copy "$from" "$work/out/weights" stored 2>&1
}

# call, which one from the start, errno (1 EPERM, 5 EIO, 28 ENOSPC, 122 EDQUOT), text of the message
while read -r call at number text; do
  output=$(failing "$call" "$at" "$number")
  check_failed "$call $at, errno $number" "$text" $? "$output" "$(ls -A "$work/out")"
done << 'CASES'
pwrite 1 28 No space left on device
pwrite 2 28 No space left on device
pwrite 2 122 free some of your quota
pwrite 9 5 Input/output error
fsync 1 5 (fsync): Input/output error
renameat2 1 1 give the finished file its name
CASES

# the folder's name cannot be brought to the disk: the file is taken back
output=$(failing fsync 2 5)
status=$?
[ "$status" = 74 ] || fail "fsync of the folder: exit code $status, expected 74" "$output"
[ -z "$(ls -A "$work/out")" ] || fail "fsync of the folder: not empty" "$(ls -A "$work/out")"

# A file system that cannot rename without replacing (errno 22): the file appears all the same, and replaces nothing.
output=$(failing renameat2 1 22) || fail "no exclusive rename" "$output"
cmp "$from" "$work/out/weights" || fail "no exclusive rename" "another content"
[ "$(ls -A "$work/out")" = weights ] || fail "no exclusive rename: leftovers" "$(ls -A "$work/out")"
output=$(failing renameat2 1 22)
status=$?
[ "$status" = 73 ] || fail "what exists: exit code $status, expected 73" "$output"
[ "$(ls -A "$work/out")" = weights ] || fail "what exists: leftovers" "$(ls -A "$work/out")"

# A file system of 16 kB, for a file of 40 kB. Where none may be mounted, the failing calls above stand for it.
# shellcheck disable=SC2317  # called by another bash
full_disk() {
  mkdir -p "$work/small" && mount -t tmpfs -o size=16k tmpfs "$work/small" || return 200
  "$program" copy "$work/large" "$work/small/weights" stored 2>&1
  local status=$?
  ls -A "$work/small" > "$work/left"
  umount "$work/small"
  return "$status"
}
header='{"a":{"dtype":"U8","shape":[40000],"data_offsets":[0,40000]}}   '
{ printf '\100\0\0\0\0\0\0\0%s' "$header" && head -c 40000 /dev/zero; } > "$work/large"
if unshare -m true 2> /dev/null; then as=(unshare -m); else as=(unshare -rm); fi
mkdir "$work/small"
if "${as[@]}" mount -t tmpfs tmpfs "$work/small" 2> /dev/null; then
  export -f full_disk
  export program work
  output=$("${as[@]}" bash -c full_disk)
  check_failed "full disk" "cannot write this file: No space left on device" $? "$output" "$(cat "$work/left")"
else
  echo "no right to mount a small file system: the full disk was shown by failing calls only"
fi

[ "$failures" = 0 ] && echo "failed writes end with 74 and leave nothing"
exit $((failures > 0))
