#!/bin/bash
# What happens outside a process does not end its work unsaved: readers of its output that go away, terminals, limits of file size, CPU
# time and memory, closed streams, and requests to stop in every phase. Each ends with the right code, a checkpoint or an untouched
# state, soon; and the metrics tell of every end.
# shellcheck disable=SC2034,SC2154
source "$(dirname "${BASH_SOURCE[0]}")/run_helpers.sh"

corpus text 640
data=text
endless=(train.steps=100000000 log.every=5 valid.every=1000000)
logged() { grep -qF -- "$2" "$1.log" 2> /dev/null; }
# stopped_at_checkpoint RUN: what it has done is saved, and it says why it ended
stopped_at_checkpoint() {
  local step
  step=$(sed -n 's/.*"event":"stop".*"step":\([0-9]*\),.*"reason":"signal","exit_code":75.*/\1/p' "$1/metrics.jsonl" | tail -n 1)
  [ -n "$step" ] && [ "$(newest_of "$1")" = "$1/checkpoints/$(printf 'step-%010d' "$step")" ] ||
    fail "$1: stopped at step '$step', newest checkpoint $(newest_of "$1"), last event $(last_event_of "$1")"
}

# --- who reads the log, or what is printed, is gone ---

# Ctrl-C goes to tee as well
mkfifo log.pipe
(trap - INT; exec head -n 3 log.pipe > /dev/null) &
"$trellis" train --config small.ini --data text --run tee "${endless[@]}" log.every=1 2> log.pipe &
process=$!
wait_until "$limit" has_step tee 20 || fail "tee: the run has not gone on without a reader of its log"
kill -INT "$process"
ended 75 tee
stopped_at_checkpoint tee

begin hangup "$trellis" train --config small.ini --data text --run hangup "${endless[@]}"
wait_until "$limit" has_step hangup 5
kill -HUP "$process"
ended 75 hangup
stopped_at_checkpoint hangup

# also where a library takes SIGHUP for itself
mpicc -shared -fPIC -O1 -o takes_hangups.so "$SOURCE_DIR/tests/train/takes_hangups.c" || exit 1
for library in '' "$work/takes_hangups.so"; do
  rm -rf nohup
  begin nohup env ${library:+LD_PRELOAD="$library"} nohup "$trellis" train --config small.ini --data text --run nohup "${endless[@]}"
  wait_until "$limit" has_step nohup 5
  kill -HUP "$process"
  at=$(last_step_of nohup)
  wait_until "$limit" has_step nohup $((at + 10)) || fail "under nohup the run ends by SIGHUP"
  kill -TERM "$process"
  ended 75 nohup
done

for command in "$trellis --help" "$trellis train --help" "$trellis plan --help" "$trellis train --print-config" "$trellis --version" \
  "$BUILD_BIN/trellis-preprocess text --help" "$BUILD_BIN/parity --help"; do
  # shellcheck disable=SC2086
  $command > /dev/full 2> full.log
  code=$?
  [ "$code" = 74 ] && grep -q "No space left on device" full.log || fail "$command into a full device: exit code $code, $(cat full.log)"
  # shellcheck disable=SC2086
  { sleep 0.5; $command 2> closed.log; echo $? > closed.code; } | true
  [ "$(cat closed.code)" = 0 ] && [ ! -s closed.log ] || fail "$command into a closed pipe: exit code $(cat closed.code), $(cat closed.log)"
done

# a stream that is closed from the beginning: no file that is opened takes its place
"$trellis" train --config small.ini --data text --run closed train.steps=12 2>&- <&- || fail "closed streams: exit code $?"
grep -qv '^{"schema":[0-9]*,' closed/metrics.jsonl && fail "closed streams: the log stands in the metrics"
[ "$(head -c 9 closed/settings.ini)" = "[model]
t" ] || fail "closed streams: the settings begin with $(head -c 9 closed/settings.ini)"

# --- limits ---

expect 0 train 1 large train.steps=5
expect 74 bash -c 'ulimit -f 16; "$@"' bash "$trellis" train --config small.ini --data text --run large --resume auto train.steps=10 && says "File too large" &&
  says "large/checkpoints/"
[ "$(ls large/checkpoints)" = step-0000000005 ] || fail "file size: left $(ls large/checkpoints)"
# met before the first step, where nothing is changed yet
last_event_of large | grep -q '"event":"stop".*"reason":"steps","exit_code":0' || fail "file size: the last event is $(last_event_of large)"
expect 0 train 1 large --resume auto train.steps=10 && says "resumed from large/checkpoints/step-0000000005"

for limits in "-S -t 3" "-t 4"; do  # the soft one alone; both, as ulimit sets them
  rm -rf cpu
  # shellcheck disable=SC2016
  expect 75 bash -c "ulimit $limits"'; "$@"' bash "$trellis" train --config small.ini --data text --run cpu "${endless[@]}"
  stopped_at_checkpoint cpu
done

# --- requests to stop ---

# at any moment of the start: the run is not begun, or stopped; but for the program's loading, nothing ends it by the signal itself
for delay in 0.3 0.5 0.8 1.2; do
  for signal in TERM HUP; do
    rm -rf start
    begin start "$trellis" train --config small.ini --data text --run start "${endless[@]}"
    sleep "$delay"
    kill "-$signal" "$process"
    ended 75 start
    if [ -e start/metrics.jsonl ]; then stopped_at_checkpoint start; fi
  done
done
expect 0 train 1 start --resume auto train.steps=1
rm -rf start
begin start env LD_PRELOAD="$work/takes_hangups.so" "$trellis" train --config small.ini --data text --run start "${endless[@]}"
sleep 0.4
kill -HUP "$process"
ended 75 start

# in a validation, which is made again from its beginning by the resumed run; a checkpoint is made at once, and the validation goes on
zipf_text 99 25000 > long.valid
"$BUILD_BIN/trellis-preprocess" text --vocabulary text --train text.train --valid long.valid --test text.test --output long > long.log 2>&1 || cat long.log
validating=(valid.every=10 valid.lanes=1 valid.window=1 schedule.plateau=1 train.steps=12 log.every=1)
data=long
begin_validation() {
  begin "$1" "$trellis" train --config small.ini --data long --run "$1" "${validating[@]}"
  wait_until "$limit" logged "$1" "step 10/" || fail "$1: no tenth step"
  sleep 0.3
}
expect 0 train 1 whole "${validating[@]}"
whole=$(grep '"event":"validation"' whole/metrics.jsonl | sed 's/.*"loss_nats":\([^,]*\),.*/\1/')
same_as_whole() {
  cmp "$(newest_of "$1")/state.h5" whole/checkpoints/step-0000000012/state.h5 || fail "$1: not the bits of a run whose validation was left alone"
  [ "$(grep '"event":"validation"' "$1/metrics.jsonl" | sed 's/.*"loss_nats":\([^,]*\),.*/\1/')" = "$whole" ] || fail "$1: another validation than the whole run's"
  diff <(grep -A 3 '"best": {' "$(newest_of "$1")/manifest.json") <(grep -A 3 '"best": {' whole/checkpoints/step-0000000012/manifest.json) || fail "$1: another best"
}
begin_validation validation
kill -TERM "$process"
ended 75 validation
logged validation "the validation at step 10 is left" || fail "validation: no word of it: $(cat validation.log)"
logged validation "validation at step 10, after epoch 1: loss" && fail "the validation had ended before the signal: this shows nothing"
stopped_at_checkpoint validation
expect 0 train 1 validation --resume auto "${validating[@]}" && says "validation at step 10, after epoch 1: loss"
same_as_whole validation

begin_validation saved
kill -USR1 "$process"
wait_until "$soon" eval '[ -n "$(newest_of saved)" ]' || fail "SIGUSR1 in a validation: no checkpoint"
logged saved "validation at step 10, after epoch 1: loss" && fail "SIGUSR1 in a validation is answered behind it only"
wait_until "$limit" process_is_gone
wait "$process" || fail "SIGUSR1 in a validation: exit code $?"
same_as_whole saved

# evaluation, generation and planning have nothing to save, and leave nothing half done
evaluate=(evaluate --run whole --data long --split valid --lanes 1 --window 1 --threads 1)
begin evaluation "$trellis" "${evaluate[@]}" --log-probabilities evaluation.tsv
sleep 2
kill -TERM "$process"
ended 75 evaluation
logged evaluation "perplexity" && fail "an evaluation that was stopped tells a result"
[ ! -e evaluation.tsv ] || fail "an evaluation that was stopped leaves its log"
begin generation "$trellis" generate --run whole --data long --tokens 1000000000
wait_until "$limit" eval '[ -s generation.log ]'
kill -HUP "$process"
ended 75 generation
"$trellis" generate --run whole --data long --prompt-file /dev/stdin > prompt.log 2>&1 < <(sleep 60) &
process=$!
sleep 2
kill -INT "$process"
ended 75 prompt
begin planning "$trellis" plan --config small.ini --data text --measure model.hidden=512 model.outputs=128 model.embedding=128 train.lanes=20 train.window=50
sleep 1
kill -TERM "$process"
ended 75 planning

# --- an error's end is told, too ---
expect 16 train 1 error train.steps=5 optimizer.name=sgd optimizer.learning_rate=1e308 optimizer.clip=0
last_event_of error | grep -q '"event":"stop".*"reason":"error","exit_code":16' || fail "a numeric error: the last event is $(last_event_of error)"

finish "whatever happens outside, nothing is lost"
