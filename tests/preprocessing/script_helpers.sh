# What the tests of trellis-preprocess by shell share; sourced. Each check that fails is counted and said, none ends the
# test. The caller sets -u and is in its working folder.
# shellcheck shell=bash
failures=0

fail() { echo "FAILED: $*"; failures=$((failures + 1)); }

# expect CODE TEXT COMMAND...: runs it; the exit code is CODE and the output holds TEXT.
expect() {
  local code="$1" text="$2" output rc
  shift 2
  output="$("$@" 2>&1)" && rc=0 || rc=$?
  [ "$rc" = "$code" ] || fail "exit $rc, expected $code: $* -> $output"
  [[ "$output" == *"$text"* ]] || fail "no '$text' from: $* -> $output"
}

# Nothing but the named entries may be in a directory, hidden ones included.
expect_only() {
  local directory="$1" found
  shift
  found="$(find "$directory" -mindepth 1 -maxdepth 1 -printf '%f\n' | sort | tr '\n' ' ')"
  [ "$found" = "$(printf '%s\n' "$@" | sort | tr '\n' ' ' | sed 's/^ $//')" ] || fail "in $directory: $found, expected: $*"
}

# expect_write_errors_at_limits RUN KIB...: under each limit on file sizes the exported function RUN, called with a folder,
# ends with 74 and leaves nothing there. It must need more than the largest.
expect_write_errors_at_limits() {
  local run="$1" kib
  shift
  mkdir limited
  for kib; do
    expect 74 "" bash -c "ulimit -f $kib && $run limited"
    expect_only limited
  done
}

# expect_write_errors_on_disks RUN SIZE...: the same on a full disk, each a small one of its own; needs the right to mount,
# as root or in a user namespace.
expect_write_errors_on_disks() {
  local run="$1" as=(unshare -rm) size rc
  shift
  if unshare -m true 2>/dev/null; then as=(unshare -m); fi
  mkdir disk
  if ! "${as[@]}" bash -c 'mount -t tmpfs none disk' 2>/dev/null; then
    echo "note: no right to mount here; the file size limit is the only full disk"
    return
  fi
  for size; do
    rc="$("${as[@]}" bash -c "on_small_disk $run disk $size")"
    [ "$rc" = 74 ] || fail "disk of $size: exit $rc, expected 74: $(cat disk.said)"
    grep -q "No space left on device\|cannot write this file\|cannot create" disk.said || fail "disk of $size: $(cat disk.said)"
  done
}
on_small_disk() {  # prints the exit code
  mount -t tmpfs -o size="$3" none "$2" || return 9
  "$1" "$2" 2> "$2.said"
  local rc=$?
  [ -z "$(ls -A "$2")" ] || rc="left $(ls -A "$2")"
  umount "$2"
  echo "$rc"
}
export -f on_small_disk

# expect_clean_after_signals DIRECTORY SECONDS... -- COMMAND...: Ctrl-C and SIGTERM after each of these times end the command
# as the signal does, and nothing is left in DIRECTORY.
expect_clean_after_signals() {
  local directory="$1" delays=() signal delay process rc
  shift
  while [ "$1" != -- ]; do delays+=("$1"); shift; done
  shift
  for signal in INT TERM; do
    for delay in "${delays[@]}"; do
      # a shell makes background jobs ignore SIGINT; env undoes that
      env --default-signal=INT "$@" 2> said > /dev/null &
      process=$!
      sleep "$delay"
      kill -s "$signal" "$process"
      wait "$process"
      rc=$?
      [ "$rc" = $((128 + $(kill -l "$signal"))) ] || fail "SIG$signal after $delay s: exit $rc: $(cat said)"
      expect_only "$directory"
    done
  done
}

# Ends the test.
report() {
  [ "$failures" = 0 ] || { echo "$failures failures"; exit 1; }
  echo "all passed"
  exit 0
}
