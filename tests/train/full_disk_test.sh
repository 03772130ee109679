#!/bin/bash
# Disks that fill up, quotas and faults while a run goes on. Metrics that cannot be appended wait; a checkpoint that cannot be written
# is tried again; a folder that takes none is refused before the first step. Nothing is left half-written, and the exit code says
# what is missing. Failing calls stand for the disks: no right to mount one is needed.
# errno values: 5 EIO, 27 EFBIG, 28 ENOSPC, 122 EDQUOT.
# shellcheck disable=SC2034,SC2154
source "$(dirname "${BASH_SOURCE[0]}")/run_helpers.sh"

corpus text 640
data=text
cc -shared -fPIC -O1 -o "$work/storage_faults.so" "$SOURCE_DIR/tests/checkpoint/storage_faults.c" || exit 1
export STORAGE_MENDED=$work/mended

# failing RULES RANKS RUN WORD...: train with such faults (tests/checkpoint/storage_faults.c)
failing() {
  local rules=$1 count=$2 run=$3
  shift 3
  STORAGE_FAULTS=$rules ranks "$count" env LD_PRELOAD="$work/storage_faults.so" "$trellis" train --config small.ini --data text --run "$run" "$@"
}

# begin_failing RULES RUN WORD...: the same in the background and without end; its output goes to RUN.log
begin_failing() {
  local rules=$1 run=$2
  shift 2
  begin "$run" env STORAGE_FAULTS="$rules" LD_PRELOAD="$work/storage_faults.so" "$trellis" train --config small.ini --data text --run "$run" \
    train.steps=100000000 valid.every=100000000 "$@"
}

# end CODE RUN: by a signal
end() {
  local code
  kill -TERM "$process"
  wait "$process"
  code=$?
  process=
  [ "$code" = "$1" ] || { fail "$2: exit code $code instead of $1"; tail -n 5 "$2.log"; }
}

# steps RUN N: metrics tell the steps 1 to N, each once and in order, in whole lines
steps() {
  [ "$(steps_of "$1" | cut -d ' ' -f 1)" = "$(seq "$2")" ] || fail "$1: metrics do not tell the steps 1 to $2: $(steps_of "$1" | tail -n 3)"
  "$python" -c 'import json, sys; [json.loads(line) for line in open(sys.argv[1])]' "$1/metrics.jsonl" || fail "$1: torn metrics"
}
event() { grep -q "\"event\":\"$2\".*$3" "$1/metrics.jsonl" || fail "$1: no event $2 with $3"; }
saved() { [ "$(newest_of "$1")" = "$1/checkpoints/$(printf 'step-%010d' "$2")" ] || fail "$1: the newest checkpoint is '$(newest_of "$1")', not of step $2"; }
nothing_temporary() { [ -z "$(find "$1" -name '.tmp-*')" ] || fail "$1: left behind: $(find "$1" -name '.tmp-*')"; }
without_validation=(valid.every=100000000)

# --- metrics: no line from the fifth on is taken, for good ----------------------------------------------------------------------
expect 0 train 1 whole train.steps=30  # the same with room
for number in 28 122 27 5; do
  run=metrics.$number
  expect 74 failing "write,metrics.jsonl,$number,5,0" 1 "$run" train.steps=30
  says "the run goes on; lines wait in memory"
  says "the run has ended and is saved, but its metrics are incomplete: "
  says "where: $run/metrics.jsonl"
  [ "$(grep -c 'cannot append to it' "$work/output")" = 1 ] || fail "$run: not told once"
  saved "$run" 30
  steps "$run" 3
  cmp whole/checkpoints/step-0000000030/state.h5 "$run/checkpoints/step-0000000030/state.h5" || fail "$run: not the state of a run with room"
done

# --- metrics: for a moment ------------------------------------------------------------------------------------------------------
begin_failing "write,metrics.jsonl,28,5,0" moment
wait_until "$limit" grep -q "cannot append" moment.log || fail "moment: nothing is told"
touch mended
wait_until "$limit" grep -q "can be written again" moment.log || fail "moment: not told that it works again"
end 75 moment
rm mended
steps moment "$(last_step_of moment)"
event moment stop '"exit_code":75'
saved moment "$(last_step_of moment)"

# They are brought to the disk before the checkpoint that counts them. Where that fails, what may be lost is written once more.
expect 0 failing "fdatasync,metrics.jsonl,5,1,1" 1 unsynced train.steps=8 checkpoint.every=4
says "cannot bring it to the disk (fsync): Input/output error"
says "can be written again"
steps unsynced 8

# --- checkpoints: the trial at the start and those of steps 10 and 20 find room, no later one does -------------------------------
for number in 28 122; do
  run=checkpoints.$number
  expect 74 failing "posix_fallocate,checkpoints/,$number,4,0" 1 "$run" train.steps=40 checkpoint.every=10 "${without_validation[@]}"
  says "the run could not be saved at step 30: cannot reserve "
  says "the run ends at step 40 and could not be saved there: cannot reserve "
  says "the newest whole checkpoint is $run/checkpoints/step-0000000020"
  [ "$(grep -c '^error: ' "$work/output")" = 1 ] || fail "$run: not one error"
  steps "$run" 40
  event "$run" checkpoint_failed '"step":30,"reason":"cannot reserve .*"newest_step":20'
  event "$run" stop '"reason":"steps","exit_code":74'
  saved "$run" 20
  nothing_temporary "$run"
  expect 0 train 1 "$run" --resume auto train.steps=40  # with room again
  says "resumed from $run/checkpoints/step-0000000020"
  saved "$run" 40
done

# --- checkpoints: no room for a while, on one rank of two a fault of the disk; the next one that is due is written -----------------
begin_failing "posix_fallocate,checkpoints/,28,3,0" back checkpoint.every=10
wait_until "$limit" grep -q "could not be saved" back.log || fail "back: nothing is told"
touch mended
failed=$(sed -n 's/.*"event":"checkpoint_failed".*"step":\([0-9]*\).*/\1/p' back/metrics.jsonl | head -n 1)
newer() { [ "$(newest_of back | sed 's/.*step-0*//')" -gt "${failed:-20}" ]; }
wait_until "$limit" newer || fail "back: no checkpoint behind step $failed"
end 75 back
rm mended
nothing_temporary back
export STORAGE_RANK=1
expect 0 failing "fsync,checkpoints/,5,3,3" 2 fault train.steps=30 checkpoint.every=10 "${without_validation[@]}"
unset STORAGE_RANK
says "the run could not be saved at step 20: cannot bring this file safely to the disk (fsync): Input/output error"
says "where: rank 1 on "
saved fault 30
nothing_temporary fault

# A run that is stopped and cannot be saved says so, too.
begin_failing "posix_fallocate,checkpoints/,28,2,0" stopped
wait_until "$limit" test -s stopped/metrics.jsonl || fail "stopped: has not begun"
end 74 stopped
grep -q "^error: the run ends at step .* and could not be saved there: cannot reserve .*; the run has no checkpoint yet" stopped.log || fail "stopped: $(tail -n 4 stopped.log)"
event stopped stop '"reason":"signal","exit_code":74'

# What cannot be read back is a failed write, not damaged data.
expect 74 failing "pread,checkpoints/*manifest.json,5,2,0" 1 unreadable train.steps=10
says "what was written cannot be read back: "
nothing_temporary unreadable

# --- checkpoints: no room beside the two that are kept. The older one goes first, as it would have after the write ----------------
expect 0 train 1 rescue train.steps=20 checkpoint.every=10 "${without_validation[@]}"
expect 0 failing "posix_fallocate,checkpoints/,28,2,2;fallocate,checkpoints/,28,2,2" 1 rescue --resume auto train.steps=30
says "1 older one(s) had to go first"
saved rescue 30
[ -d rescue/checkpoints/step-0000000020 ] || fail "rescue: the newest one had to go"
[ ! -d rescue/checkpoints/step-0000000010 ] || fail "rescue: nothing had to go"

# --- the start: what the first checkpoint would meet is met before the first step --------------------------------------------------
untouched() { [ ! -e "$1/metrics.jsonl" ] || fail "$1: refused after the run had begun"; nothing_temporary "$1"; }
mkdir dangling
ln -s ../gone dangling/checkpoints
refuse 74 "this is a link to ../gone, which is not there" train 1 dangling train.steps=10
says "where: dangling/checkpoints"
refuse 74 "no checkpoint can be written here: cannot bring this file safely to the disk (fsync): Input/output error" \
  failing "fsync,checkpoints/,5,1,0" 2 no_fsync train.steps=10
untouched no_fsync
refuse 74 "there is no room for a checkpoint: a checkpoint takes " failing "fallocate,checkpoints/,28,1,0" 1 no_room train.steps=10
says "where: no_room/checkpoints"
untouched no_room
expect 0 failing "fallocate,checkpoints/,122,2,0" 1 room_for_one train.steps=10
says "there is room for 1 more checkpoint(s), but 3 more are needed"
refuse 74 "1 line(s) could not be written: No space left on device" failing "write,metrics.jsonl,28,1,0" 1 no_metrics train.steps=10
expect 0 train 1 no_metrics train.steps=10  # nothing was begun that would have to be resumed
ulimit_run() (
  ulimit -S -f 16  # kB
  train 1 small_files train.steps=10
)
refuse 74 "raise the limit on file sizes (ulimit -f)" ulimit_run
untouched small_files
# A resume that is refused changes nothing either.
cp whole/settings.ini settings.before
refuse 74 "(fsync): No space left on device" failing "fsync,.tmp-settings.ini,28,1,0" 1 whole --resume auto train.steps=31
cmp whole/settings.ini settings.before || fail "settings.ini: changed by a run that could not begin"
nothing_temporary whole

# --- profiles: one that cannot be written ends no run ---------------------------------------------------------------------------
expect 0 failing "pwrite,profile/,28,2,0" 2 profiled train.steps=12 --profile 3:4
says "the profile is given up: cannot write this file: No space left on device"
nothing_temporary profiled
saved profiled 12

finish "full disks, quotas and faults end with what can be saved, and say what is missing"
