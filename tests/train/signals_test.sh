#!/bin/bash
# Signals and sudden death. SIGUSR1 saves and goes on; SIGTERM, SIGINT and SIGUSR2 (which mpirun forwards) save at the
# step's end and end with 75, as train.seconds does; after any of them, and after kill -9, the run goes on to its end.
# shellcheck disable=SC2034,SC2154
source "$(dirname "${BASH_SOURCE[0]}")/run_helpers.sh"

corpus text 640
data=text
endless=(train.steps=100000000 log.every=5)

has_checkpoint() { [ -n "$(newest_of "$1")" ]; }

# trained RANKS RUN WORD...: in the background, up to its tenth step
trained() {
  local count=$1 run=$2 command
  shift 2
  command=("$trellis" train --config small.ini --data text --run "$run" "${endless[@]}" "$@")
  if [ "$count" = 1 ]; then begin "$run" "${command[@]}"; else begin_ranks "$count" "$run" "${command[@]}"; fi
  wait_until "$limit" has_step "$run" 10 || { fail "$run: no tenth step"; cat "$run.log"; }
}

# resumable RANKS RUN: its newest checkpoint is of the step where it stopped, and five more steps finish it
resumable() {
  local stopped
  stopped=$(sed -n 's/.*"event":"stop".*"step":\([0-9]*\),.*/\1/p' "$2/metrics.jsonl" | tail -n 1)
  [ "$(newest_of "$2")" = "$2/checkpoints/$(printf 'step-%010d' "${stopped:-0}")" ] || fail "$2: stopped at step '$stopped', newest checkpoint $(newest_of "$2")"
  expect 0 train "$1" "$2" --resume auto "train.steps=$((stopped + 5))" && says "resumed from" && says "finished at step $((stopped + 5))"
}

trained 1 usr1
kill -USR1 "$process"
wait_until "$limit" has_checkpoint usr1 || fail "SIGUSR1: no checkpoint"
at=$(last_step_of usr1)
wait_until "$limit" has_step usr1 $((at + 10)) || fail "SIGUSR1: training does not go on"
kill -0 "$process" 2> /dev/null || fail "SIGUSR1 ended the run"
kill -TERM "$process"
ended 75 usr1
grep -q "stopped at step .* (signal): go on with --resume auto" usr1.log || fail "SIGTERM: no word about it in $(tail -n 3 usr1.log)"
[ -z "$(find usr1/checkpoints -name '.tmp-*')" ] || fail "something temporary is left"
resumable 1 usr1

for signal in INT USR2; do
  trained 1 "alone.$signal"
  kill "-$signal" "$process"
  ended 75 "alone.$signal"
  resumable 1 "alone.$signal"
done

trained 2 together
kill -USR2 "$process"
ended 75 together
[ "$(grep -c 'stopped at step' together.log)" = 1 ] || fail "two ranks: not one message"
resumable 2 together

expect 75 train 1 timed "${endless[@]}" train.seconds=0.3
says "stopped at step"
says "(seconds)"
resumable 1 timed

# killed: what was saved last is there, and the run that goes on from it is the run that was never killed
trained 1 killed checkpoint.every=7
wait_until "$limit" has_checkpoint killed || fail "no checkpoint to kill after"
kill -9 "$process"
wait "$process" 2> /dev/null
newest=$(newest_of killed)
step=$((10#${newest##*step-}))
[ "$step" -gt 0 ] || fail "killed: the newest checkpoint is $newest"
expect 0 train 1 killed --resume auto "train.steps=$((step + 3))" && says "resumed from $newest (step $step)"
expect 0 train 1 whole "train.steps=$((step + 3))"
cmp "$(newest_of killed)/state.h5" "$(newest_of whole)/state.h5" || fail "killed and resumed at step $step: not the bits of a run that was never killed"

# one of two ranks killed: mpirun ends the other, and the run goes on
trained 2 widow checkpoint.every=7
wait_until "$limit" has_checkpoint widow || fail "no checkpoint to kill after"
victim=$(pgrep -P "$process" | tail -n 1)
kill -9 "$victim"
wait_until "$limit" process_is_gone || { fail "one rank killed: the job still runs after $limit s"; end_process; }
wait "$process" 2> /dev/null && fail "one rank killed: exit code 0"
newest=$(newest_of widow)
step=$((10#${newest##*step-}))
expect 0 train 2 widow --resume auto "train.steps=$((step + 3))" && says "resumed from $newest (step $step)"

finish "stopped, killed and gone on"
