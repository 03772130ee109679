#!/bin/bash
# Training under launch/run is asked to stop at random moments - while it starts, in training, in checkpoints, in validations - by SIGTERM,
# SIGINT and SIGHUP: it ends with 75 and a checkpoint of its last step, or has not begun; resumed, it has the bits of a run that was never
# stopped; nothing is left behind. And what mpirun itself does when it gets such a signal: not that, but nothing is lost that was saved.
# TRELLIS_TEST_SIGNALS: how many of each signal (2).
# shellcheck disable=SC2034,SC2154
source "$(dirname "${BASH_SOURCE[0]}")/../train/run_helpers.sh"

corpus text 640
zipf_text 99 6000 > long.valid
"$BUILD_BIN/trellis-preprocess" text --vocabulary text --train text.train --valid long.valid --test text.test --output long > long.log 2>&1 || cat long.log
RANDOM=$((${TRELLIS_TEST_SEED:-$$} % 32768))
export TRELLIS_BIN=$BUILD_BIN
# what starts in the background of a script ignores SIGINT, and perhaps SIGHUP
launch=(env "--default-signal=INT,HUP,TERM" "$SOURCE_DIR/launch/run" -n 2)

# settings_of PHASE: what makes most of a run's time such a phase
settings_of() {
  case $1 in
    start | training) echo valid.every=1000000 ;;
    checkpoint) echo valid.every=1000000 checkpoint.every=1 ;;
    validation) echo valid.every=2 valid.lanes=1 valid.window=1 ;;
  esac
}

# pause PHASE: until a random moment of it
pause() {
  if [ "$1" != start ]; then wait_until "$limit" has_step "$name" 2 || fail "$name: no second step"; fi
  sleep "$((RANDOM % 12))e-1"
}

nothing_left() {
  [ -z "$(find "$1" -name '.tmp-*' 2> /dev/null)" ] || fail "$1: something temporary is left"
  [ -z "$(find "$sessions" -type f)" ] || fail "$1: the launcher's files are left: $(find "$sessions" -type f)"
  if pgrep -f -- "--run $1 " > left; then fail "$1: processes are left: $(ps -o pid,args -p "$(paste -sd, left)")"; fi
}

begun=0
# asked SIGNAL PHASE NAME
asked() {
  local signal=$1 phase=$2 name=$3 settings code step
  read -r -a settings <<< "$(settings_of "$phase")"
  local command=(train --config small.ini --data long --run "$name" "${settings[@]}")
  begin "$name" "${launch[@]}" "${command[@]}" train.steps=100000000
  pause "$phase"
  kill "-$signal" "$process"
  wait_until "$soon" process_is_gone || { fail "$name: still running"; end_process; }
  wait "$process"
  code=$?
  nothing_left "$name"
  if [ "$code" = $((128 + $(kill -l "$signal"))) ] && [ ! -e "$name" ]; then return; fi  # the shell had not read the script yet
  [ "$code" = 75 ] || { fail "$name: exit code $code instead of 75"; cat "$name.log"; }
  step=$(sed -n 's/.*"event":"stop".*"step":\([0-9]*\),.*"reason":"signal","exit_code":75.*/\1/p' "$name/metrics.jsonl" 2> /dev/null | tail -n 1)
  if [ -z "$step" ]; then
    [ ! -e "$name/metrics.jsonl" ] || fail "$name: begun, but not stopped: $(last_event_of "$name")"
    [ "$phase" = start ] || fail "$name: not begun"
    return
  fi
  begun=$((begun + 1))
  [ "$(newest_of "$name")" = "$name/checkpoints/$(printf 'step-%010d' "$step")" ] || fail "$name: stopped at step $step, newest checkpoint $(newest_of "$name")"
  expect 0 timeout "$limit" "${launch[@]}" train --resume auto --data long --run "$name" "${settings[@]}" train.steps=$((step + 2)) || return
  rm -rf whole
  expect 0 timeout "$limit" "${launch[@]}" train --config small.ini --data long --run whole "${settings[@]}" train.steps=$((step + 2)) || return
  cmp "$(newest_of "$name")/state.h5" "$(newest_of whole)/state.h5" || fail "$name: not the bits of a run that was never stopped"
}

phases=(start training checkpoint validation)
number=0
for ((n = 0; n < ${TRELLIS_TEST_SIGNALS:-2}; n++)); do
  for signal in TERM INT HUP; do
    phase=${phases[number % 4]}
    number=$((number + 1))
    asked "$signal" "$phase" "$number-$phase-$signal"
  done
done
[ "$begun" -ge $((number / 2)) ] || fail "only $begun of $number runs had begun"

# --- mpirun itself: it kills its ranks soon, whatever they are doing ---
for signal in TERM INT HUP; do
  name=mpirun-$signal
  begin_ranks 2 "$name" "$trellis" train --config small.ini --data text --run "$name" valid.every=1000000 checkpoint.every=5 \
    train.steps=100000000
  wait_until "$limit" has_step "$name" 6 || fail "$name: no sixth step"
  kill "-$signal" "$process"
  wait_until "$soon" process_is_gone || { fail "$name: mpirun goes on"; end_process; }
  wait "$process"
  code=$?
  case $code in 0 | 75) fail "$name: exit code $code" ;; esac
  wait_until "$soon" eval '! pgrep -f -- "--run $name " > /dev/null' || fail "$name: ranks are left"
  newest=$(newest_of "$name")
  step=$((10#${newest##*step-}))
  expect 0 timeout "$limit" "${launch[@]}" train --resume auto --data text --run "$name" train.steps=$((step + 1)) && says "resumed from $newest"
done

finish "$number signals to launch/run: $begun runs stopped and gone on, $((number - begun)) not begun"
