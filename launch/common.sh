# Shared by the programs of launch/ and by tests/run; sourced, never run. Defines `root` (the clone) and small helpers.
# Exit codes are those of src/base/exit_codes.h.
# shellcheck shell=bash
# shellcheck disable=SC2034  # most names are used by the files that source this one

unset CDPATH  # or cd would say where it goes
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

exit_wrong_flags=2
exit_numeric_failure=16
exit_bad_data=65
exit_input_missing=66
exit_internal=70
exit_output_exists=73
exit_write_failed=74
exit_stopped_early=75
exit_wrong_setting=78
exit_ended_by_force=137  # as of a process that SIGKILL has ended

say() { printf '%s\n' "$*"; }
note() { printf '%s: %s\n' "${0##*/}" "$*"; }
warn() { printf '%s: warning: %s\n' "${0##*/}" "$*" >&2; }

# fail CODE WHAT [FIX]: one message on stderr, then exit.
fail() {
  printf '%s: %s\n' "${0##*/}" "$2" >&2
  if [ -n "${3:-}" ]; then printf '  -> %s\n' "$3" >&2; fi
  exit "$1"
}

# The help of a program is the comment at its head, up to the first line that is no comment.
print_help() { awk 'NR > 1 { if (!/^#/) exit; sub(/^# ?/, ""); print }' "$0"; }

# wrong_flag FLAG
wrong_flag() { fail "$exit_wrong_flags" "unknown option or argument '$1'" "${0##*/} --help lists what there is"; }

# flag_value FLAG ARGUMENTS_LEFT: a flag that needs a value must have one.
flag_value() { [ "$2" -ge 2 ] || fail "$exit_wrong_flags" "$1 needs a value" "${0##*/} --help"; }

# whole_number FLAG VALUE SMALLEST
whole_number() {
  case $2 in '' | *[!0-9]*) fail "$exit_wrong_flags" "$1 must be a whole number, but is '$2'" "for example $1 $3" ;; esac
  [ "${#2}" -le 15 ] && [ "$((10#$2))" -ge "$3" ] || fail "$exit_wrong_flags" "$1 must be at least $3, but is $2" "for example $1 $3"
}

# megabytes BYTES: rounded up, for people.
megabytes() { echo "$((($1 + 999999) / 1000000)) MB"; }

# free_bytes PATH: space left for this user where PATH is or will be.
free_bytes() {
  local path=$1
  while [ ! -e "$path" ]; do path=$(dirname "$path"); done
  df -P -k "$path" | awk 'NR == 2 { printf "%.0f\n", $4 * 1024 }'
}

# need_space PATH BYTES WHAT: stops when PATH's file system cannot take BYTES more.
need_space() {
  local free
  free=$(free_bytes "$1")
  [ "$free" -ge "$2" ] || fail "$exit_write_failed" \
    "$3 needs $(megabytes "$2") in $1, but only $(megabytes "$free") are free" \
    "make room, or choose another place (XDG_CACHE_HOME for the cache, a clone elsewhere for the rest)"
}

processors() { nproc; }

# gpu_is_here: whether NVIDIA's driver shows a GPU.
gpu_is_here() { [ -e /dev/nvidiactl ] || { command -v nvidia-smi >/dev/null && nvidia-smi -L >/dev/null 2>&1; }; }

# mpi_launcher RANKS: sets `launcher`, the words that start so many ranks here, and the environment they need.
mpi_launcher() {
  # shellcheck source=launcher.sh
  source "$root/launch/launcher.sh"
  find_launcher || fail "$launcher_code" "$launcher_fault" "$launcher_fix"
  # shellcheck disable=SC2046  # a word each
  set_launcher_variables $(local_needs) quiet
  launcher=("$mpirun" -n "$1")
}
