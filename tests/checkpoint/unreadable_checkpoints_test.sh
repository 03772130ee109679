#!/bin/bash
# Checkpoints that the system does not give for the moment: each of its errors, at each call that a resume makes, on the
# newest checkpoint or on all, on one rank or on all. A resume takes the newest or is refused with exit code 66 and every
# checkpoint's reason, at once and with one message; it never finds nothing, never takes an older one, and changes nothing.
set -u
program=${BUILD_BIN%/bin}/tests/checkpoint_program_mpi_test
work=$(mktemp -d "${TMPDIR:-/tmp}/trellis-unreadable-XXXXXX")
trap 'rm -rf "$work"' EXIT
failures=0 tried=0

fail() {
  printf 'FAILED: %s\n%s\n' "$1" "$2"
  failures=$((failures + 1))
}

# every name, size and time of change below the run's folder
state_of() { (cd "$1" && find . -printf '%p %s %T@ %y\n' | sort); }

cc -shared -fPIC -O1 -o "$work/failing_calls.so" "$SOURCE_DIR/tests/checkpoint/failing_calls.c" || exit 1
"$program" write "$work/checkpoints" 1 3 301 > "$work/log" 2>&1 || fail "the checkpoints" "$(cat "$work/log")"
before=$(state_of "$work/checkpoints")  # of the steps 2 and 3

# failing RANKS RANK CALL PATH ERRNO: what `newest` says when these calls fail
failing() {
  local launcher=()
  [ "$1" = 1 ] || launcher=(mpirun -n "$1")
  timeout 60 "${launcher[@]}" env FAIL_RANK="$2" FAIL_CALL="$3" FAIL_PATH="$4" FAIL_ERRNO="$5" FAIL_AT=1 \
    LD_PRELOAD="$work/failing_calls.so" "$program" newest "$work/checkpoints" 301 2>&1
}

# refused RANKS RANK CALL PATH ERRNO REASON NAMED...: the refusal names these
refused() {
  local ranks=$1 rank=$2 call=$3 path=$4 number=$5 reason=$6 output code what="$3 of $4, errno $5, rank '$2' of $1"
  shift 6
  output=$(failing "$ranks" "$rank" "$call" "$path" "$number")
  code=$?
  tried=$((tried + 1))
  [ "$code" = 66 ] || fail "$what: exit code $code, expected 66" "$output"
  [ "$(grep -c 'error: ' <<< "$output")" = 1 ] || fail "$what: not one message" "$output"
  for text in "$reason" "$@"; do
    grep -qF -- "$text" <<< "$output" || fail "$what: no '$text'" "$output"
  done
  grep -qE '^newest|damaged|make it again|received signal' <<< "$output" && fail "$what: told as something else" "$output"
  [ "$(state_of "$work/checkpoints")" = "$before" ] || fail "$what: the folder was changed" "$(state_of "$work/checkpoints")"
}

new=step-0000000003 old=step-0000000002
while read -r number reason; do
  for call in open pread; do
    for file in state.h5 manifest.json; do
      refused 1 "" $call "$new/$file" "$number" "$reason" $new "$old: whole, but older"
      refused 1 "" $call "/$file" "$number" "$reason" "$new: cannot be read" "$old: cannot be read"
    done
  done
  refused 1 "" stat $new "$number" "$reason" $new "$old: whole, but older"
  refused 1 "" stat step- "$number" "$reason" "$new: cannot be looked at" "$old: cannot be looked at"
  refused 1 "" opendir checkpoints "$number" "$reason" checkpoints
  refused 1 "" readdir checkpoints "$number" "$reason" checkpoints
done << 'CASES'
13 Permission denied
24 Too many open files
5 Input/output error
116 Stale file handle
12 Cannot allocate memory
23 Too many open files in system
4 Interrupted system call
CASES

# where only one of several ranks meets it, all end alike
for rank in 0 1 2; do
  refused 3 $rank open $new/state.h5 13 "Permission denied" "rank $rank" $new "$old: whole, but older"
done
refused 3 0 pread $new/state.h5 5 "Input/output error" "rank 0" $new "$old: whole, but older"
refused 3 2 open state.h5 116 "Stale file handle" "rank 2" "$new: cannot be read" "$old: cannot be read"
# a rank that alone does not find the file has another view of the folder: no proof that it is gone
refused 3 1 open $new/state.h5 2 "No such file or directory" "rank 1" "$old: whole, but older"

[ "$("$program" newest "$work/checkpoints" 301 2>&1)" = "newest 3" ] || fail "the newest does not load afterwards" ""
[ "$failures" = 0 ] || { echo "$failures failures"; exit 1; }
echo "$tried resumes refused, each with its reasons"
