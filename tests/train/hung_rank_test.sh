#!/bin/bash
# A rank of a run that stops, or is killed: the run ends on all ranks within mesh.timeout and a few seconds, says who waits for
# what, and goes on from its newest checkpoint. So it is wherever in a checkpoint the rank stops.
# shellcheck disable=SC2034,SC2154
source "$(dirname "${BASH_SOURCE[0]}")/run_helpers.sh"

corpus text 640
data=text
# strike SIGNAL RANK CODE RUN WORD...: a run of 3 ranks, one of which gets the signal after its 20th step
strike() {
  local signal=$1 rank=$2 expected=$3 run=$4 victim
  shift 4
  begin_ranks 3 "$run" "$trellis" train --config small.ini --data text --run "$run" train.steps=100000000 log.every=5 checkpoint.every=10 mesh.timeout=2 "$@"
  wait_until "$limit" has_step "$run" 20 || { fail "$run: no twentieth step"; cat "$run.log"; }
  victim=$(rank_process "$rank")
  [ -n "$victim" ] || fail "$run: no process of rank $rank"
  kill "-$signal" "$victim"
  ended "$expected" "$run"
}

strike STOP 1 76 stopped
tells stopped "has not ended within 2000ms; ending the job. What its ranks do:"
tells stopped "^ +1 .*says nothing: its process is stopped"
tells stopped "^SILENT: rank 1"
for rank in 0 2; do tells stopped "^ +$rank .*(in group|, for [0-9.]+ s)"; done
expect 0 train 2 stopped --resume auto "train.steps=$(($(last_step_of stopped) + 5))" mesh.timeout=120 && says "resumed from"

strike STOP 0 76 stopped0 mesh.pipeline=3
tells stopped0 "^ +0 .*says nothing: its process is stopped"
tells stopped0 "^SILENT: rank 0"

strike KILL 2 137 killed
tells killed "signal 9"

# in every call of a checkpoint that makes a communicator, opens the file or closes it
mpicc -shared -fPIC -O1 -o stop_in_call.so "$SOURCE_DIR/tests/train/stop_in_call.c" || exit 1
for call in MPI_Comm_dup MPI_File_open MPI_File_close; do
  for ((at = 1; at <= 9; at++)); do
    rm -rf within
    timeout -k 1 30 mpirun -n 2 env STOP_CALL="$call" STOP_AT="$at" STOP_RANK=0 STOP_PATH=within/checkpoints LD_PRELOAD="$work/stop_in_call.so" \
      "$trellis" train --config small.ini --data text --run within train.steps=2 checkpoint.every=2 mesh.timeout=1 > within.log 2>&1
    code=$?
    [ "$code" != 0 ] || break  # there are no more such calls
    [ "$code" = 76 ] || { fail "stopped in $call $at: exit code $code instead of 76"; cat within.log; pkill -9 -f -- "--run within"; }
    tells within "SILENT: rank 0"
  done
  [ "$at" -gt 1 ] && [ "$code" = 0 ] || fail "a checkpoint should have between 1 and 8 of $call"
done

finish "a run of which a rank dies or hangs ends with a report"
