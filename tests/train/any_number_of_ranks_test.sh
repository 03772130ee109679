#!/bin/bash
# One run, any number of ranks: the same losses, gradient norms, weights, optimizer and history, with every dropout on,
# lanes that do not divide evenly, more ranks than lanes, and an epoch that ends on the way.
# shellcheck disable=SC2034,SC2154
source "$(dirname "${BASH_SOURCE[0]}")/run_helpers.sh"

# same NAME RANKS LIMIT STEPS WORD...: trains NAME.RANKS and holds it against NAME.1
same() {
  local name=$1 count=$2 bound=$3 steps=$4
  shift 4
  expect 0 train "$count" "$name.$count" "train.steps=$steps" "$@" || return
  [ "$count" = 1 ] && return
  "$python" "$comparator" "$name.1" "$name.$count" "$bound" "$steps" || fail "$name: 1 and $count ranks differ"
}

corpus text 1500
data=text
for count in 1 2 3 4; do same all "$count" 1e-10 30; done
grep -q '"event":"step".*"step":30,"epoch":1,' all.1/metrics.jsonl || fail "no epoch ended within the run: it should have"
# kernel 3 and dilations, history discarded; on 4 ranks one has no lane
for count in 1 2 4; do
  same discarded "$count" 1e-10 12 train.lanes=3 train.discard=4 model.kernel=3 model.dilations=1,2 model.weight_norm=false optimizer.name=sgd optimizer.learning_rate=1
done
# mixture of softmaxes, mixed groups, input every second level, penalties; averages of SGD from the start
for count in 1 2 3 4; do same mixture "$count" 1e-10 12 "${mixture[@]}"; done
for count in 1 3; do same averaged "$count" 1e-10 12 "${mixture[@]}" optimizer.name=sgd optimizer.learning_rate=1 optimizer.averaging=always; done
# LAMB, whose step takes every tensor's norm
for count in 1 2 3; do same lamb "$count" 1e-10 12 optimizer.name=lamb optimizer.learning_rate=0.05 optimizer.weight_decay=0.1 schedule.batch_rule=linear schedule.reference_batch=9; done
grep -q 'learning rate .*: 0.05 as tuned for 9 a step, times ' output || fail "the start should tell the rate that schedule.batch_rule gives"
# float32: sums are taken in another order, and 30 steps make more of it. Seen: 3e-7 in losses.
for count in 1 3; do same single "$count" 1e-5 12 train.precision=float32; done

# A classifier: the last batch of a pass is short and leaves ranks without a lane.
sequences images 46
data=images
for count in 1 2 3 4; do same classifier "$count" 1e-10 16 "${classifier[@]}"; done
grep -q '"event":"validation".*"accuracy":' classifier.1/metrics.jsonl || fail "a classifier's validation tells its accuracy"
data=text

# The comparison itself must be able to fail: another seed is another run.
expect 0 train 1 other train.steps=30 train.seed=2
"$python" "$comparator" all.1 other 1e-3 30 > output 2>&1 && fail "another seed gives the same losses"

finish "the same run on 1, 2, 3 and 4 ranks"
