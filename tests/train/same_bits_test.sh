#!/bin/bash
# A run that stops and goes on is the run that never stopped, to the last bit: the checkpoint's files, the losses as they
# are written, and the validations. On another number of ranks it is the same run but for rounding.
# shellcheck disable=SC2034,SC2154
source "$(dirname "${BASH_SOURCE[0]}")/run_helpers.sh"

corpus text 640  # 8 windows a pass: 20 steps end two epochs
data=text
adam=(valid.every=5 checkpoint.keep=5 schedule.plateau=1 schedule.factor=0.5 optimizer.learning_rate=3)
sgd=(optimizer.name=sgd optimizer.learning_rate=2 optimizer.weight_decay=0.001 schedule.warmup=15 schedule.milestones=1)
lamb=(optimizer.name=lamb optimizer.learning_rate=0.05 optimizer.weight_decay=0.1 schedule.warmup=4 schedule.decay=cosine schedule.decay_steps=16)

# What may not differ: everything but times and the moment of saving.
numbers_of() {
  sed -nE 's/,"(seconds|tokens_per_second|sequences_per_second|memory_bytes)":[^,}]*//g; s/"time":[^,]*,//; /"event":"(step|validation)"/p' "$1/metrics.jsonl"
}

# same_as STRAIGHT RUN: both are at step 20
same_as() {
  local file
  for file in state.h5 manifest.json; do
    cmp "$1/checkpoints/step-0000000020/$file" "$2/checkpoints/step-0000000020/$file" || fail "$2: $file differs from $1's"
  done
  diff <(numbers_of "$1") <(numbers_of "$2") > difference || { fail "$2: metrics differ from $1's"; head -n 6 difference; }
  [ "$(steps_of "$2" | wc -l)" = 20 ] || fail "$2: $(steps_of "$2" | wc -l) steps in the metrics, expected 20"
}

# interrupted RANKS STOP RUN WORD...: STOP steps, then the others in a second process
interrupted() {
  local count=$1 stop=$2 run=$3
  shift 3
  expect 0 train "$count" "$run" "train.steps=$stop" "$@" && [ -d "$(printf '%s/checkpoints/step-%010d' "$run" "$stop")" ] || fail "$run: no checkpoint at step $stop"
  expect 0 train "$count" "$run" --resume auto train.steps=20 "$@"
  says "resumed from $run/checkpoints/$(printf 'step-%010d' "$stop") (step $stop)"
}

# Whatever the number of threads; where bits depend on it (src/train/from_settings.h), it stays, so that a busy machine changes none.
wide=(train.steps=20 "${adam[@]}" model.hidden=100 model.outputs=36 model.embedding=36 train.window=40 train.precision=float32)
for threads in 1 2; do OMP_NUM_THREADS=$threads expect 0 train 1 "threads.$threads" "${wide[@]}"; done
same_as threads.1 threads.2

for count in 1 2; do
  expect 0 train "$count" "adam.$count" train.steps=20 "${adam[@]}"
  interrupted "$count" 13 "adam.$count.13" "${adam[@]}"
  same_as "adam.$count" "adam.$count.13"
  expect 0 train "$count" "sgd.$count" train.steps=20 "${sgd[@]}"
  interrupted "$count" 13 "sgd.$count.13" "${sgd[@]}"
  same_as "sgd.$count" "sgd.$count.13"
  expect 0 train "$count" "lamb.$count" train.steps=20 "${lamb[@]}"
  interrupted "$count" 13 "lamb.$count.13" "${lamb[@]}"
  same_as "lamb.$count" "lamb.$count.13"
  expect 0 train "$count" "bf16.$count" train.steps=20 train.precision=bf16 "${adam[@]}"
  interrupted "$count" 13 "bf16.$count.13" train.precision=bf16 "${adam[@]}"
  same_as "bf16.$count" "bf16.$count.13"
done
[ "$(numbers_of bf16.1)" != "$(numbers_of adam.1)" ] || fail "bf16 should not be float32 to the last digit"
grep -q '"epoch":2' adam.1/metrics.jsonl || fail "20 steps should end two epochs"
[ "$(numbers_of adam.1 | grep -c validation)" = 4 ] || fail "20 steps should hold 4 validations"
[ "$(sed -n 's/.*"learning_rate":\([^,]*\).*/\1/p' adam.1/metrics.jsonl | sort -u | wc -l)" -gt 1 ] || fail "the rate should have fallen on a plateau"

# exactly at an epoch's edge, where history is cleared, and with history discarded
interrupted 1 8 adam.1.8 "${adam[@]}"
same_as adam.1 adam.1.8
expect 0 train 1 discarded train.steps=20 train.discard=3
interrupted 1 13 discarded.13 train.discard=3
same_as discarded discarded.13

# averages that begin at a plateau: before the interruption, and after it
averaged=(optimizer.name=sgd optimizer.learning_rate=30 optimizer.averaging=plateau schedule.plateau=1 valid.every=2 "${mixture[@]}")
expect 0 train 1 averaged train.steps=20 "${averaged[@]}"
begun=$(sed -n 's/.*averaged SGD begins at step \([0-9]*\).*/\1/p' output)
[ "${begun:-0}" -gt 2 ] && [ "$begun" -lt 18 ] || fail "the averages should begin within the run, not at step '$begun'"
for stop in $((begun - 1)) $((begun + 3)); do
  interrupted 1 "$stop" "averaged.$stop" "${averaged[@]}"
  same_as averaged "averaged.$stop"
done

# a classifier, whose sequences are shuffled anew each pass
sequences images 46
data=images
expect 0 train 1 images.straight train.steps=20 valid.every=5 "${classifier[@]}"
for stop in 7 9; do
  interrupted 1 "$stop" "images.$stop" valid.every=5 "${classifier[@]}"
  same_as images.straight "images.$stop"
done
data=text

# a checkpoint named by its path, into a run of its own; the configuration left out: it comes from the checkpoint
expect 0 ranks 1 "$trellis" train --data text --run named --resume adam.1.13/checkpoints/step-0000000013 train.steps=20
cmp named/checkpoints/step-0000000020/state.h5 adam.1/checkpoints/step-0000000020/state.h5 || fail "resumed by path without --config: not the same bits"

# written on 2 ranks, resumed on 1 and on 3
expect 0 train 2 written train.steps=13 "${adam[@]}"
for count in 1 3; do
  cp -r written "on.$count"
  expect 0 train "$count" "on.$count" --resume auto train.steps=20 "${adam[@]}"
  "$python" "$comparator" adam.2 "on.$count" 1e-10 20 || fail "written on 2 ranks, resumed on $count: not the same run"
done

finish "20 steps are 13 and 7, and 8 and 12, bit for bit"
