#!/bin/bash
# A resume is the run that it says: on the same text, with the settings that were saved and those that are given now, in its own
# directory. Whatever is another run is refused; what may change is told.
# shellcheck disable=SC2034,SC2154
source "$(dirname "${BASH_SOURCE[0]}")/run_helpers.sh"

corpus text 1500
data=text
again() { "$BUILD_BIN/trellis-preprocess" text --vocabulary text "${@:2}" --output "$1" > /dev/null || fail "no corpus $1"; }
resumed() { "$trellis" train --resume auto --data "$1" --run run "${@:2}"; }

# --- another text of the same vocabulary ---
expect 0 train 1 run train.steps=6
tac text.train > backwards.txt && cat text.train text.train > twice.txt
valid=(--valid text.valid) test=(--test text.test)
again backwards --train backwards.txt "${valid[@]}" "${test[@]}"
again twice --train twice.txt "${valid[@]}" "${test[@]}"
again judged --train text.train --valid text.test "${test[@]}"
again unjudged --train text.train "${test[@]}"
again untested --train text.train "${valid[@]}"
for other in backwards twice; do
  refuse 65 "the corpus's split 'train' is not the one of the run" resumed $other train.steps=8
  says "--init-from"
done
for other in judged unjudged; do refuse 65 "the corpus's split 'valid' is not the one of the run" resumed $other train.steps=8; done
refuse 65 "the corpus's split 'train' is not the one of the run" ranks 2 "$trellis" train --resume auto --data backwards --run run train.steps=8
expect 0 resumed untested train.steps=7 && says "resumed from run/checkpoints/step-0000000006"  # nothing is judged by it
cp -r text elsewhere && expect 0 resumed elsewhere train.steps=8
expect 0 "$trellis" train --config small.ini --data backwards --run new --init-from run/checkpoints/step-0000000008 train.steps=2
expect 0 "$trellis" evaluate --run run --data judged

sequences images 50 && sequences others 57
classify() { "$trellis" train --config small.ini --data "$1" --run classified "${classifier[@]}" "${@:2}"; }
expect 0 classify images train.steps=4
refuse 65 "the corpus's split 'train' is not the one of the run" classify others --resume auto train.steps=6
expect 0 classify images --resume auto train.steps=6

# --- without --config the saved settings are those of the process, too ---
kept() { "$trellis" train --resume auto --data text --run kept "$@"; }
unset OMP_NUM_THREADS  # more threads than one where nothing is said, if there are the processors
expect 0 train 1 kept train.steps=2 train.threads=1 mesh.timeout=7 && says "with 1 thread(s) each"
expect 0 kept train.steps=3 && says "with 1 thread(s) each"
says "without effect on the run's numbers:"
says "train.steps: 2 in the checkpoint, 3 now"
grep -qx "threads = 1.*" kept/settings.ini && grep -qx "timeout = 7.*" kept/settings.ini || fail "settings.ini: $(cat kept/settings.ini)"
export OMP_NUM_THREADS=1
expect 0 kept train.steps=4 train.threads=2 && says "train.threads: 1 in the checkpoint, 2 now"
expect 0 kept train.steps=5 && grep -qx "threads = 2.*" kept/settings.ini || fail "settings.ini: $(cat kept/settings.ini)"
expect 0 train 1 kept --resume auto train.steps=6  # with --config what it says counts, and is told
says "mesh.timeout: 7 in the checkpoint, 300 now"

# the saved limit of time ends a job that hangs, whatever the limit was before it was known
expect 0 train 2 limited train.steps=3 mesh.timeout=2 checkpoint.every=1
begin_ranks 2 limited "$trellis" train --resume auto --data text --run limited train.steps=100000000
wait_until "$limit" has_step limited 9 || { fail "no ninth step"; cat limited.log; }
kill -STOP "$(rank_process 1)"
ended 76 limited
tells limited "has not ended within 2000ms"

# --- a refused resume leaves settings.ini alone ---
cp run/settings.ini before.ini
refuse 65 "the corpus's split 'train' is not the one of the run" resumed backwards train.steps=99
refuse 78 "model.levels: 4 in the checkpoint, 5 now" train 1 run --resume auto train.steps=99 model.levels=5
cmp -s before.ini run/settings.ini || fail "a refused resume has changed settings.ini"

# --- a checkpoint of another run ---
expect 0 train 1 neighbour train.steps=9 train.seed=2
neighbour=$(find neighbour/checkpoints | sort)
refuse 73 "holds another run than the checkpoint's: train.seed is 2 there and 1 in the checkpoint" \
  "$trellis" train --resume run/checkpoints/step-0000000008 --data text --run neighbour train.steps=10
[ "$neighbour" = "$(find neighbour/checkpoints | sort)" ] || fail "the neighbour's checkpoints were touched"
expect 0 "$trellis" train --resume run/checkpoints/step-0000000008 --data text --run branch train.steps=10
holds_only branch checkpoints metrics.jsonl run.lock settings.ini

# --- another mesh: saved like other settings, and told ---
expect 0 train 2 meshed train.steps=2 mesh.pipeline=2
refuse 78 "mesh.pipeline" "$trellis" train --resume auto --data text --run meshed train.steps=3
expect 0 "$trellis" train --resume auto --data text --run meshed train.steps=3 mesh.pipeline=1
says "mesh.pipeline: 2 in the checkpoint, 1 now"
finish "a resume is the run that it says"
