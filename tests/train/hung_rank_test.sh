#!/bin/bash
# A rank of a run that stops, or is killed: the run ends on all ranks within mesh.timeout and a few seconds, says who waits for
# what, and goes on from its newest checkpoint.
# shellcheck disable=SC2034,SC2154
source "$(dirname "${BASH_SOURCE[0]}")/run_helpers.sh"

corpus text 640
data=text
process=
trap 'kill -9 $process 2> /dev/null; rm -rf "$work" "$sessions"' EXIT

has_step() { [ "$(last_step_of "$1")" -ge "$2" ]; }
# strike SIGNAL RANK CODE RUN WORD...: a run of 3 ranks, one of which gets the signal after its 20th step
strike() {
  local signal=$1 rank=$2 expected=$3 run=$4 victim code
  shift 4
  mpirun -n 3 "$trellis" train --config small.ini --data text --run "$run" train.steps=100000000 log.every=5 checkpoint.every=10 mesh.timeout=2 "$@" \
    > "$run.log" 2>&1 &
  process=$!
  wait_until "$limit" has_step "$run" 20 || { fail "$run: no twentieth step"; cat "$run.log"; }
  victim=$(pgrep -P "$process" | while read -r pid; do
    tr '\0' '\n' < "/proc/$pid/environ" | grep -qx "OMPI_COMM_WORLD_RANK=$rank" && echo "$pid"
  done)
  [ -n "$victim" ] || fail "$run: no process of rank $rank"
  kill "-$signal" "$victim"
  wait_until 30 eval "! kill -0 $process 2> /dev/null" || { fail "$run: still running 30 s after SIG$signal"; kill -9 "$process"; }
  wait "$process"
  code=$?
  [ "$code" = "$expected" ] || { fail "$run: exit code $code instead of $expected"; tail -n 20 "$run.log"; }
}
# tells RUN PATTERN: its messages hold it
tells() { grep -qE -- "$2" "$1.log" || { fail "$1: no '$2' in its messages:"; cat "$1.log"; }; }

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

finish "a run of which a rank dies or hangs ends with a report"
