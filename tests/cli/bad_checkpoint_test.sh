#!/bin/bash
# Checkpoints that are damaged, missing or of another network; run folders in use, not writable or on a full disk; a loss
# that is no number. Each ends with its exit code and message, and what was saved before stays good.
# shellcheck disable=SC2034,SC2154
source "$(dirname "${BASH_SOURCE[0]}")/../train/run_helpers.sh"

corpus text 640
data=text
sed 's/w/v/g' text.train > other.train  # as many words, but other ones
"$BUILD_BIN/trellis-preprocess" text --train other.train --output other > /dev/null 2>&1
{ tr '\n' ' ' < text.train | cut -d ' ' -f 1-200; } > shorter.train
"$BUILD_BIN/trellis-preprocess" text --train shorter.train --vocabulary text --output shorter > /dev/null 2>&1
expect 0 train 1 run train.steps=6 checkpoint.every=3 valid.every=3
good=run/checkpoints/step-0000000006

# --- checkpoints ---
# resuming CODE TEXT CHECKPOINT [WORD...]: into a run of its own
resuming() { refuse "$1" "$2" ranks 1 "$trellis" train --config small.ini --data text --run new --resume "$3" train.steps=9 "${@:4}"; }
# spoiled: a copy of the good checkpoint in ./spoiled/
spoiled() { rm -rf spoiled && mkdir spoiled && cp -r "$good" spoiled/; }
bad=spoiled/step-0000000006

resuming 66 "there is no such checkpoint folder" nowhere
resuming 66 "this is a run, not a checkpoint" run
spoiled && flip $bad/state.h5 -100 && resuming 65 "is damaged: its hash is" $bad
refuse 65 "is damaged: its hash is" "$trellis" evaluate --checkpoint $bad --data text
refuse 65 "is damaged: its hash is" train 1 new --init-from $bad train.steps=2
spoiled && truncate -s -1 $bad/state.h5 && resuming 65 "bytes, expected" $bad
spoiled && truncate -s 0 $bad/state.h5 && resuming 65 "the file has 0 bytes, expected" $bad
spoiled && rm $bad/state.h5 && resuming 66 "state.h5" $bad
spoiled && rm $bad/manifest.json && resuming 66 "manifest.json" $bad
spoiled && sed -i 's/"window": /"window": 1/' $bad/manifest.json && resuming 65 "the manifest is damaged" $bad
spoiled && head -c 200 $good/manifest.json > $bad/manifest.json && resuming 65 "the manifest is damaged" $bad
spoiled && echo '{}' > $bad/manifest.json && resuming 65 "not the manifest of a trellis checkpoint" $bad
spoiled && mv $bad spoiled/step-0000000007 && resuming 65 "named for step 7, but its manifest is of step 6" spoiled/step-0000000007
spoiled && "$python" - $bad/state.h5 << 'PYTHON' && resuming 65 "state.h5" $bad
import sys, h5py
with h5py.File(sys.argv[1], "r+") as file:
    data = file["weights.bias"][...]
    del file["weights.bias"]
    file["weights.bias"] = data.reshape(-1, 2)
PYTHON

# whole, but of another run
resuming 78 "train.lanes: 7 in the checkpoint, 6 now" $good train.lanes=6
resuming 78 "model.hidden: 24 in the checkpoint, 30 now" $good model.hidden=30
refuse 65 "the corpus's vocabulary" "$trellis" train --config small.ini --data other --run new --resume $good train.steps=9
refuse 65 "vocabulary.hash:" "$trellis" train --config small.ini --data other --run new --init-from $good train.steps=9
refuse 65 "the corpus's split 'train' is not the one of the run" "$trellis" train --config small.ini --data shorter --run new --resume $good train.steps=9
refuse 78 "model.hidden: '24' of the weights, '30' here" train 1 new --init-from $good train.steps=2 model.hidden=30
refuse 2 "this cannot differ, the tensors would not fit" train 1 new --init-from $good train.steps=2 model.hidden=30 --allow model.hidden
refuse 78 "model.weight_norm: 'true' of the weights, 'false' here" train 1 new --init-from $good train.steps=2 model.weight_norm=false
refuse 66 "there is no such checkpoint folder" train 1 new --init-from nowhere train.steps=2
[ ! -e new ] || [ -z "$(find new -name 'step-*' -o -name metrics.jsonl -o -name '.tmp-*')" ] || fail "left behind: $(find new)"

# a run where a checkpoint is meant, and the other way round
refuse 66 "this is a run, not a checkpoint" train 1 new --init-from run train.steps=2
refuse 66 "this is a run, not a checkpoint" train 1 new --resume run train.steps=9
refuse 66 "this is a run, not a checkpoint" "$trellis" evaluate --checkpoint run --data text
refuse 66 "this is a checkpoint, not a run" "$trellis" evaluate --run $good --data text
refuse 66 "there is no such run" "$trellis" evaluate --run nowhere --data text
refuse 66 "there is nothing to resume, and no --config" "$trellis" train --run mistyped --resume auto --data text train.steps=1

# --resume auto passes over a damaged newest one, with a word about it
cp -r run older && flip older/checkpoints/step-0000000006/state.h5 -100
expect 0 train 1 older --resume auto train.steps=7 valid.every=3 checkpoint.every=3
says "passing over a damaged checkpoint, older/checkpoints/step-0000000006"
says "resumed from older/checkpoints/step-0000000003 (step 3)"
says "step-0000000006 is later than step 3, which the run goes on from: it is set aside as aside-step-0000000006"
holds_only older/checkpoints aside-step-0000000006 step-0000000006 step-0000000007

# an older checkpoint is gone on from as if the newer ones had never been
cp -r run back
expect 0 train 1 back --resume back/checkpoints/step-0000000003 train.steps=4
expect 0 train 1 back --resume auto train.steps=5 && says "resumed from back/checkpoints/step-0000000004"
cp -r run/checkpoints/step-0000000006 back/checkpoints/
expect 0 train 1 back --resume back/checkpoints/step-0000000004 train.steps=5 && says "as aside-step-0000000006.2"

# --- run folders ---
refuse 73 "the run directory already holds a run" train 1 run train.steps=9
says "--resume auto"
refuse 73 "another job is using this run" flock run/run.lock "$trellis" train --config small.ini --data text --run run --resume auto train.steps=9
echo text > file
refuse 74 "cannot create the run folder: Not a directory" train 1 file/run train.steps=2
mkdir closed && chmod 555 closed
# the superuser may write anywhere, unless that right is dropped
drop=()
if [ "$(id -u)" = 0 ]; then drop=(setpriv "--bounding-set=-dac_override,-dac_read_search,-fowner" --inh-caps=-all); fi
if "${drop[@]}" /usr/bin/test ! -w closed; then
  refuse 74 "Permission denied" "${drop[@]}" "$trellis" train --config small.ini --data text --run closed train.steps=2
  refuse 74 "Permission denied" "${drop[@]}" "$trellis" train --config small.ini --data text --run closed/run train.steps=2
  holds_only closed
else
  echo "note: the right to write anywhere cannot be dropped here; a folder without permission was not tried"
fi
rm -rf closed

# --- a loss that is no number: every rank ends, and the checkpoint from before still loads ---
for count in 1 2; do
  cp -r run "wild.$count"
  refuse 16 "is not finite" train "$count" "wild.$count" --resume auto train.steps=40 optimizer.learning_rate=1e308 optimizer.clip=0 valid.every=1000
  says "optimizer.learning_rate"
  expect 0 "$trellis" evaluate --run "wild.$count" --data text --which newest && says "step-0000000006"
  holds_only "wild.$count/checkpoints" step-0000000003 step-0000000006
done

# --- a full disk: settings, metrics or a checkpoint cannot be written ---
# full_disk SIZE RANKS: trains into a disk of SIZE, whose checkpoints are told before it goes
full_disk() {
  mkdir -p disk && mount -t tmpfs -o size="$1" tmpfs disk || return 200
  train "$2" disk/run train.steps=30 checkpoint.every=10 log.every=10
  local code=$?
  ls -A disk/run/checkpoints > left 2> /dev/null
  umount disk
  return $code
}
if unshare -m true 2> /dev/null; then as=(unshare -m); else as=(unshare -rm); fi
if mkdir -p disk && "${as[@]}" mount -t tmpfs tmpfs disk 2> /dev/null; then
  export -f full_disk train ranks
  export trellis data limit
  for count in 1 2; do
    bytes=$(du -sb "$good" | cut -f 1)
    for size in 4k 16k 64k $((bytes * 3 / 2 + 40000)); do
      refuse 74 "" "${as[@]}" bash -c "full_disk $size $count"
      says "disk/run"
      if [ "$size" = $((bytes * 3 / 2 + 40000)) ]; then
        [ "$(cat left)" = step-0000000010 ] || fail "disk of $size, $count ranks: left '$(cat left)', expected the first checkpoint"
      else
        [ ! -s left ] || fail "disk of $size, $count ranks: left '$(cat left)'"
      fi
    done
  done
else
  echo "note: no right to mount a small disk here; a full one was not tried"
fi

finish "$refused refused, each with its code and its message"
