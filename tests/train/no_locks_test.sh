#!/bin/bash
# File systems without locks (flock answers ENOLCK or EOPNOTSUPP), without fsync of folders (EINVAL) and without reservation of
# blocks (EOPNOTSUPP), as there are over networks: everything works all the same, and what that means is told once. A second job in a
# run's folder is found by what locks there are, and by a file that names the owner where there are none.
# errno values: 22 EINVAL, 37 ENOLCK, 95 EOPNOTSUPP.
# shellcheck disable=SC2034,SC2154
source "$(dirname "${BASH_SOURCE[0]}")/run_helpers.sh"

corpus text 640
data=text
cc -shared -fPIC -O1 -o "$work/storage_faults.so" "$SOURCE_DIR/tests/checkpoint/storage_faults.c" || exit 1

lacking() {  # RULES COMMAND...
  local rules=$1
  shift
  STORAGE_FAULTS=$rules LD_PRELOAD="$work/storage_faults.so" "$@"
}
run() {  # RULES RANKS RUN WORD...
  local rules=$1 count=$2 folder=$3
  shift 3
  STORAGE_FAULTS=$rules ranks "$count" env LD_PRELOAD="$work/storage_faults.so" "$trellis" train --config small.ini --data text --run "$folder" "$@"
}
told_once() { [ "$(grep -cF -- "$1" "$work/output")" = 1 ] || { fail "not told once: $1"; cat "$work/output"; }; }

no_flock='flock,,37,1,0'
no_locks='flock,,95,1,0;fcntl-lock,,37,1,0'
no_folder_sync='fsync-folder,,22,1,0'
nothing="$no_locks;$no_folder_sync;fallocate,,95,1,0"

# --- training, on one rank and on two, through checkpoints and a resume ----------------------------------------------------------------
expect 0 train 1 plain train.steps=20
expect 0 run "$no_flock" 1 flock train.steps=20 checkpoint.every=5
expect 0 run "$nothing" 1 nothing train.steps=10 checkpoint.every=5
told_once "has no locks (Operation not supported): run.owner guards the run instead"
told_once "does not bring nothing"
expect 0 run "$nothing" 2 nothing --resume auto train.steps=20 checkpoint.every=5
says "resumed from"
for folder in flock nothing; do
  holds_only "$folder" checkpoints metrics.jsonl run.lock settings.ini
  [ -d "$folder/checkpoints/step-0000000020" ] || fail "$folder: no checkpoint of step 20"
done
cmp plain/checkpoints/step-0000000020/state.h5 flock/checkpoints/step-0000000020/state.h5 || fail "flock: another state than that of a run with locks"

# --- a second job is refused, whatever guards the run; one that was killed is no obstacle ------------------------------------------------
guarded() {  # NAME RULES
  STORAGE_FAULTS=$2 LD_PRELOAD=$work/storage_faults.so "$trellis" train --config small.ini --data text --run "$1" train.steps=100000000 \
    valid.every=100000000 > "$1.log" 2>&1 &
  process=$!
  wait_until "$limit" test -s "$1/metrics.jsonl" || { fail "$1: has not begun"; cat "$1.log"; }
  refuse 73 "another job is using this run: host " run "$2" 1 "$1" --resume auto train.steps=1
  says "process $process, since "
  kill -9 "$process"
  wait "$process" 2> /dev/null
  process=
  expect 0 run "$2" 1 "$1" --resume auto train.steps=1
}
guarded by_flock ""
guarded by_fcntl "$no_flock"
guarded by_owner "$no_locks"

# --- corpora and exports -----------------------------------------------------------------------------------------------------------------
expect 0 lacking "$nothing" "$BUILD_BIN/trellis-preprocess" text --train text.train --valid text.valid --test text.test --output again
told_once "has no locks (flock: Operation not supported)"
told_once "does not bring"
diff -r text again || fail "another corpus than on a file system with locks"
expect 0 lacking "$nothing" "$trellis" checkpoint export --checkpoint plain/checkpoints/step-0000000020 --weights weights.safetensors
told_once "has no locks (flock: Operation not supported)"
holds_only . again flock nothing plain by_flock by_fcntl by_owner by_flock.log by_fcntl.log by_owner.log output small.ini \
  storage_faults.so text text.log text.test text.train text.valid weights.safetensors

finish "file systems without locks and without fsync of folders are told of once and lived with"
