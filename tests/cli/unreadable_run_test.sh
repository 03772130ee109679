#!/bin/bash
# Runs and corpora that the system does not give for the moment. Nothing begins anew, no checkpoint is renamed, no other one
# is taken than was meant, and no file is called damaged; a corpus of more shards than may be open trains all the same.
# shellcheck disable=SC2034,SC2154
source "$(dirname "${BASH_SOURCE[0]}")/../train/run_helpers.sh"

cc -shared -fPIC -O1 -o failing_calls.so "$SOURCE_DIR/tests/checkpoint/failing_calls.c" || exit 1
corpus text 1200
data=text
# too high a rate, so that the best is not the newest
expect 0 train 1 run train.steps=9 checkpoint.every=3 valid.every=3 checkpoint.keep=3 optimizer.learning_rate=3
best=$(sed -n 's/.*"event":"validation".*"step":\([0-9]*\),.*"best":true.*/\1/p' run/metrics.jsonl | tail -n 1)
[ "$best" -lt 9 ] || fail "the best checkpoint is the newest"
best="step-000000000$best"
new="step-0000000009"

# failing CALL PATH ERRNO COMMAND...: with these calls failing
failing() { env FAIL_CALL="$1" FAIL_PATH="$2" FAIL_ERRNO="$3" FAIL_AT=1 LD_PRELOAD="$work/failing_calls.so" timeout "$limit" "${@:4}"; }
state_of() { (cd "$1" && find . -not -name run.lock -type f -printf '%p %s %T@\n' | sort); }
before=$(state_of run)
# unreadable CODE TEXT CALL PATH ERRNO COMMAND...: refused, and the run is as it was
unreadable() {
  refuse "$1" "$2" failing "${@:3}"
  grep -qE 'damaged|make it again|a new run begins' "$work/output" && { fail "told as something else: $*"; cat "$work/output"; }
  [ "$(state_of run)" = "$before" ] || { fail "the run was changed by: $*"; state_of run; before=$(state_of run); }
}
go_on=("$trellis" train --config small.ini --data text --run run --resume auto train.steps=12 optimizer.learning_rate=3)
anew=("$trellis" train --config small.ini --data text --run run train.steps=12)

unreadable 66 "Permission denied" open /state.h5 13 "${go_on[@]}"
for step in 3 6 9; do says "step-000000000$step: cannot be read: Permission denied"; done
unreadable 66 "Too many open files" open /manifest.json 24 "${go_on[@]}"
unreadable 66 "$new: cannot be read: Input/output error" pread $new/state.h5 5 "${go_on[@]}"
says "step-0000000006: whole, but older"
unreadable 66 "cannot be listed: Permission denied" opendir run/checkpoints 13 "${go_on[@]}"
unreadable 66 "Stale file handle" stat step- 116 "${go_on[@]}"
unreadable 66 "cannot be listed: Input/output error" opendir run/checkpoints 5 "${anew[@]}"

evaluation=("$trellis" evaluate --run run --data text)
unreadable 66 "$new: cannot be read" open $new/state.h5 13 "${evaluation[@]}" --which newest
unreadable 66 "Permission denied" open $best/state.h5 13 "${evaluation[@]}"
unreadable 66 "cannot be looked at" stat run 116 "${evaluation[@]}"
cp -r run without-best && rm -r without-best/checkpoints/$best
refuse 66 "the run's best checkpoint is not there any more" "$trellis" evaluate --run without-best --data text && says "--which newest"

# all damaged: refused with every reason; gone, refused as long as the metrics tell of them
cp -r run all-bad && for step in 3 6 9; do flip all-bad/checkpoints/step-000000000$step/state.h5 -100; done
refuse 65 "the run has checkpoints, but its newest cannot be opened" train 2 all-bad --resume auto train.steps=2
for step in 3 6 9; do says "step-000000000$step: the file is damaged"; done
says "or take another --run"
holds_only all-bad/checkpoints step-0000000003 step-0000000006 step-0000000009
mkdir away && mv all-bad/checkpoints/* away
refuse 66 "metrics.jsonl tells of checkpoints, the last of step 9, but none is here" train 2 all-bad --resume auto train.steps=2
mv all-bad/checkpoints no-folder
refuse 66 "metrics.jsonl tells of checkpoints, the last of step 9, but none is here" train 1 all-bad --resume auto train.steps=2
mv all-bad/metrics.jsonl away && expect 0 train 1 all-bad --resume auto train.steps=2 && says "a new run begins"

# a plain file of a checkpoint's name is none: told, and not written over
cp -r run with-file && rm -r with-file/checkpoints/step-0000000009 && echo precious > with-file/checkpoints/step-0000000009
expect 0 train 2 with-file --resume auto train.steps=9 && says "step-0000000009 is a file, not a checkpoint"
says "resumed from"
[ "$(cat with-file/checkpoints/aside-step-0000000009)" = precious ] || fail "the file was to be kept"
[ -d with-file/checkpoints/step-0000000009 ] || fail "step 9 was to be saved"

# --- corpora ---
reading=("$trellis" train --config small.ini --data text --run other train.steps=2)
unreadable 66 "ulimit -n" open text/train-00000.h5 24 "${reading[@]}"
unreadable 66 "cannot be read: Input/output error" pread text/train-00000.h5 5 "${reading[@]}"
unreadable 66 "cannot be read: Stale file handle" pread text/vocabulary.h5 116 "${reading[@]}"
unreadable 66 "cannot be read: Permission denied" open text/manifest.json 13 "${reading[@]}"
unreadable 66 "cannot be looked at: Permission denied" stat text 13 "${reading[@]}"
unreadable 66 "Input/output error" read small.ini 5 "${reading[@]}"
making=("$BUILD_BIN/trellis-preprocess" text --train text.train --output made)
unreadable 66 "ulimit -n" open text.train 24 "${making[@]}"
unreadable 66 "cannot be read: Input/output error" pread text.train 5 "${making[@]}"
unreadable 66 "cannot be looked at: Stale file handle" stat text 116 "${making[@]}" --vocabulary text
[ ! -e made ] || fail "a corpus was made"

# --- more shards than may be open: the numbers of one shard ---
"$BUILD_BIN/trellis-preprocess" text --train text.train --valid text.valid --test text.test --shard-tokens 1 --output shards > shards.log 2>&1 || cat shards.log
[ "$(find shards -name 'train-*' | wc -l)" -gt 1111 ] || fail "only $(find shards -name 'train-*' | wc -l) shards"
expect 0 train 1 whole train.steps=8 valid.every=4
for files in 256 1024; do
  expect 0 bash -c "ulimit -n $files; exec timeout $limit '$trellis' train --config small.ini --data shards --run of-$files train.steps=8 valid.every=4"
  [ "$(steps_of of-$files)" = "$(steps_of whole)" ] || fail "other losses from many shards, $files files open at most"
done

finish "$refused refused, each with its reason; $(find shards -name 'train-*' | wc -l) shards read with 256 open files"
