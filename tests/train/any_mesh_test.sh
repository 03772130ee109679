#!/bin/bash
# One run, any mesh: stages, chunks, lane groups and a shared vocabulary change neither losses nor weights; on the same mesh a
# resumed run is the same to the last bit (mesh_checkpoints_test.sh moves runs from mesh to mesh); what does not fit is refused.
# shellcheck disable=SC2034,SC2154
source "$(dirname "${BASH_SOURCE[0]}")/run_helpers.sh"

corpus text 1500
data=text

# same NAME RANKS STEPS WORD...: trains and holds it against NAME.1
same() {
  local name=$1 count=$2 steps=$3
  shift 3
  rm -rf "$name.mesh"
  expect 0 train "$count" "$name.mesh" "train.steps=$steps" "valid.every=$steps" "${network[@]}" "$@" || return
  "$python" "$comparator" "$name.1" "$name.mesh" 1e-10 "$steps" || fail "$name: one rank and $* differ"
}

network=()
expect 0 train 1 all.1 train.steps=25 valid.every=25
same all 2 25 mesh.pipeline=2
says 'mesh: 1 replica x 2 stages, the vocabulary on every rank'
grep -qE 'the vocabulary on every rank, [0-9]+ chunk\(s\) of time' output || fail "the log does not tell the chunks"
same all 2 25 mesh.vocabulary=world
same all 3 25 mesh.pipeline=3 mesh.chunks=4 mesh.vocabulary=stages mesh.lane_groups=2
same all 4 25 mesh.pipeline=2 mesh.chunks=3 mesh.vocabulary=world
same all 4 25 mesh.data=4 mesh.vocabulary=2
same all 2 25 mesh.pipeline=2 mesh.chunks=3 'memory.recompute=levels(2)'

network=("${mixture[@]}" train.discard=2)
expect 0 train 1 mixture.1 train.steps=12 valid.every=12 "${network[@]}"
same mixture 2 12 mesh.pipeline=2 mesh.chunks=2 mesh.vocabulary=stages
same mixture 4 12 mesh.pipeline=4 mesh.chunks=3 mesh.vocabulary=2

network=(optimizer.name=lamb optimizer.learning_rate=0.05 optimizer.weight_decay=0.1)
expect 0 train 1 lamb.1 train.steps=12 valid.every=12 "${network[@]}"
same lamb 4 12 mesh.pipeline=2 mesh.chunks=2 mesh.vocabulary=stages

network=(optimizer.name=sgd optimizer.learning_rate=1 optimizer.averaging=always)
expect 0 train 1 averaged.1 train.steps=12 valid.every=12 "${network[@]}"
same averaged 3 12 mesh.pipeline=3 mesh.chunks=2 mesh.vocabulary=world

# Several windows a step; the last step of a pass has fewer.
network=(train.accumulate=4 train.lanes=9)
expect 0 train 1 accumulated.1 train.steps=9 valid.every=9 "${network[@]}"
grep -q '"step":9,"epoch":1,' accumulated.1/metrics.jsonl || fail "no epoch ended within the accumulated run: it should have"
same accumulated 4 9 mesh.pipeline=2 mesh.chunks=2 mesh.vocabulary=2
same accumulated 3 9 mesh.vocabulary=world

# The same mesh, the same bits.
bits=(train.accumulate=2 mesh.pipeline=2 mesh.chunks=3 mesh.vocabulary=stages train.precision=float32)
expect 0 train 4 whole train.steps=14 valid.every=14 "${bits[@]}"
expect 0 train 4 halves train.steps=5 valid.every=14 "${bits[@]}"
expect 0 train 4 halves train.steps=14 valid.every=14 "${bits[@]}" --resume auto
"$python" "$comparator" whole halves 0 14 || fail "a resumed run on the same mesh differs in some bits"

# So it is with chunks that the program chooses, wherever the run stops: each from a run of its own, which chooses by itself.
chosen=(mesh.pipeline=2 train.precision=float32 valid.every=9)
expect 0 train 2 chosen train.steps=9 "${chosen[@]}"
for stop in 1 2 3 4 5 6 7; do
  expect 0 train 2 "chosen.$stop" "train.steps=$stop" "${chosen[@]}"
  expect 0 train 2 "chosen.$stop" train.steps=9 "${chosen[@]}" --resume auto
  cmp chosen/checkpoints/step-0000000009/state.h5 "chosen.$stop/checkpoints/step-0000000009/state.h5" ||
    fail "stopped after $stop steps and resumed, chunks chosen by the program: not the same bits"
done
# A resumed run keeps the number that its checkpoint has, even if the rule says another for what it may change.
chunks_of() { grep -oE '[0-9]+ chunk\(s\) of time' output; }
expect 0 train 2 kept train.steps=2 "${chosen[@]}"
kept=$(chunks_of)
expect 0 train 2 kept train.steps=3 "${chosen[@]}" memory.recompute=gates mesh.lane_groups=3 --resume auto
[ "$(chunks_of)" = "$kept" ] || fail "resumed with $(chunks_of), begun with $kept"

refuse 78 'mesh.pipeline is 5, expected at most model.levels, which is 4' train 1 refused train.steps=1 mesh.pipeline=5
refuse 78 'mesh.pipeline is 2, but 3 ranks are running' train 3 refused train.steps=1 mesh.pipeline=2
refuse 78 'makes 4 ranks, but 2 are running' train 2 refused train.steps=1 mesh.data=2 mesh.pipeline=2
refuse 78 'mesh.vocabulary is 2, but 3 ranks are running' train 3 refused train.steps=1 mesh.vocabulary=2
refuse 78 "expected replicated, stages, world, or a whole number" train 1 refused train.steps=1 mesh.vocabulary=everywhere
sequences images 46
data=images
refuse 78 'mesh.pipeline is 2, but model.task is classifier' train 2 refused train.steps=1 "${classifier[@]}" mesh.pipeline=2
refuse 78 'mesh.vocabulary is world, but model.task is classifier' train 2 refused train.steps=1 "${classifier[@]}" mesh.vocabulary=world

finish "the same run on any mesh"
