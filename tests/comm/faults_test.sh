#!/usr/bin/env bash
# A rank that dies, stops, is late for ever or falls out of order ends the job on all ranks within the timeout, with a table
# that says who waits for what. The watchdog of the program allows 1.5 s.
set -uo pipefail
program=${BUILD_BIN%/bin}/tests/fault_program_mpi_test
output=$(mktemp)
trap 'rm -f "$output"' EXIT

fail() {
  echo "FAILED: $*"
  cat "$output"
  exit 1
}

# check NAME CODE RANKS FAULT RANK TEXT...: mpirun's exit code, and that the output has each text
check() {
  local name=$1 code=$2 ranks=$3 fault=$4 culprit=$5 start=$SECONDS got
  shift 5
  timeout -k 5 60 mpirun -n "$ranks" "$program" "$fault" "$culprit" >"$output" 2>&1
  got=$?
  [[ $got == "$code" ]] || fail "$name: exit code $got, expected $code"
  check_output "$name" "$start" "$@"
}

# The same with an mpirun that does not end the job when a process dies, nor says anything by its own exit code: only the
# ranks can notice. Each but the dead one ends with 76.
check_unaided() {
  local name=$1 ranks=$2 fault=$3 culprit=$4 start=$SECONDS rank
  shift 4
  # shellcheck disable=SC2016
  timeout -k 5 60 mpirun -n "$ranks" --enable-recovery bash -c '"$@"; echo "rank $OMPI_COMM_WORLD_RANK ended with $?"' bash \
    "$program" "$fault" "$culprit" >"$output" 2>&1
  for ((rank = 0; rank < ranks; rank++)); do
    [[ $rank == "$culprit" ]] || set -- "$@" "^rank $rank ended with 76$"
  done
  check_output "$name" "$start" "$@"
}

check_output() {
  local name=$1 start=$2 text
  shift 2
  ((SECONDS - start < 25)) || fail "$name: took $((SECONDS - start)) s"
  for text in "$@"; do
    grep -qE -- "$text" "$output" || fail "$name: the output lacks: $text"
  done
  echo "ok: $name, after $((SECONDS - start)) s"
}

table='^ rank  where +waits in +since  last ended$'
waits='all_reduce 2 of Float \[1000\] in group world +[0-9.]+ s  all_reduce 1 of Float \[1000\] in group world'

# mpirun itself ends a job of which a process dies
check "a killed rank, noticed by mpirun" 137 3 killed 1 "process rank 1 with " "signal 9 .Killed."  # Open MPI 5 breaks the line between them
check_unaided "a killed rank" 3 killed 1 "$table" "^    0 .*$waits" "^    2 .*$waits" \
  "^    1 .*says nothing: its process is gone" "\(collective 2 of group world\): ranks 0, 2 in it; SILENT: rank 1"
check_unaided "rank 0 killed, whose store is lost with it" 4 killed 0 "$table" "^    3 .*$waits" \
  "^    0 .*says nothing: its process is gone" "ranks 1-3 in it; SILENT: rank 0"
check "a stopped rank" 76 2 stopped 1 "$table" "^    0 .*$waits" "^    1 .*says nothing: its process is stopped" \
  "rank 0 in it; SILENT: rank 1"
check "rank 0 stopped, whose store does not answer" 76 2 stopped 0 "$table" "^    1 .*$waits" \
  "^    0 .*says nothing: its process is stopped" "rank 1 in it; SILENT: rank 0"
check "a rank that computes for ever" 76 3 busy 2 "$table" "^    2 .*nothing: it computes, reads or writes" \
  "ranks 0, 1 in it; NOT COME TO IT: rank 2"
check "a rank that waits for a message" 76 4 message 3 "$table" "^    3 .*receive 1 of Float \[10\] from rank 0 with tag 7 in group replica 1" \
  "ranks 0-2 in it; NOT COME TO IT: rank 3" "with tag 7 \(rank 3\): rank 2 of the world, which it waits for: all_reduce 2"
check "a rank that waits in MPI's own call" 76 2 barrier 1 "^    1 .*the making of a communicator|^    1 .*a barrier of all ranks" "NOT COME TO IT: rank 1"
check "a rank in another collective" 70 2 other 1 "collective 2 of this group is .*(all_reduce|all_gather) of 40* bytes of Float on rank [01], but on rank [01] it is all_(reduce|gather)"
check "nobody at fault" 0 4 late 1
[[ ! -s $output ]] || fail "ranks without a fault print something"
