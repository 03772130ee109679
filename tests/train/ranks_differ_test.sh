#!/bin/bash
# One of three ranks is given something else: another setting, flag, command, program, corpus, file or run directory. Every command
# that runs on ranks refuses it at the start, with the name, the ranks and both values, and no rank is left waiting.
# shellcheck disable=SC2034,SC2154
source "$(dirname "${BASH_SOURCE[0]}")/run_helpers.sh"

corpus text 1500
data=text
quickest=1000000 longest=0  # ms

# apart ODD CODE TEXT COMMON... -- USUAL... -- OTHER...: three ranks with the common words, then rank ODD with the other ones, the rest
# with the usual ones. Waiting for each other they would take 300 s, longer than $limit.
apart() {
  local odd=$1 code=$2 text=$3 common=() usual=() jobs=() begun took rank
  shift 3
  while [ "$1" != -- ]; do common+=("$1") && shift; done
  shift
  while [ "$1" != -- ]; do usual+=("$1") && shift; done
  shift
  for rank in 0 1 2; do
    [ "$rank" = 0 ] || jobs+=(:)
    if [ "$rank" = "$odd" ]; then jobs+=("${common[@]}" "$@"); else jobs+=("${common[@]}" "${usual[@]}"); fi
  done
  rm -rf new
  begun=$(date +%s%N)
  refuse "$code" "$text" each_rank "${jobs[@]}"
  took=$((($(date +%s%N) - begun) / 1000000))
  [ "$took" -le "$longest" ] || longest=$took
  [ "$took" -ge "$quickest" ] || quickest=$took
  if [ -d new ] && [ -n "$(find new -name 'step-*' -o -name metrics.jsonl)" ]; then fail "something was begun: $text"; fi
}

# --- settings: some of each section; tests/config/settings_ranks_test.cpp has them all ---
training=("$trellis" train --config small.ini --data text --run new train.steps=4)
setting() { apart 2 78 "the ranks differ in $1: ranks 0-1: $2; rank 2: $3" "${training[@]}" -- "$1=$2" -- "$1=$3"; }
setting model.levels 4 40
setting dropout.hidden 0.2 0.25
setting train.seed 1 7
setting train.precision float64 float32
setting train.steps 4 5
setting optimizer.learning_rate 0.01 0.011
setting valid.every 0 2
setting mesh.chunks 1 2
setting memory.recompute none gates
setting data.shuffle false true
apart 0 78 "the ranks differ in train.lanes: rank 0: 9; ranks 1-2: 7" "${training[@]}" -- train.lanes=7 -- train.lanes=9
apart 1 78 "the ranks differ in mesh.timeout: ranks 0, 2: 300; rank 1: 20" "${training[@]}" -- mesh.timeout=300 -- mesh.timeout=20
sed 's/kernel_std = 0.1/kernel_std = 0.2/' small.ini > other.ini
apart 2 78 "the ranks differ in model.kernel_std: ranks 0-1: 0.1; rank 2: 0.2" "$trellis" train --data text --run new train.steps=4 \
  -- --config small.ini -- --config other.ini
expect 0 each_rank "${training[@]}" train.threads=1 : "${training[@]}" train.threads=1 : "${training[@]}" train.threads=2 data.prefetch=7  # a machine's own affair
rm -r new

# --- the corpus: each file of it, also where each rank has a copy of its own ---
of_corpus() { apart 2 "$1" "$2" "$trellis" train --config small.ini --run new train.steps=4 -- --data text -- --data "$3"; }
again() { "$BUILD_BIN/trellis-preprocess" text --vocabulary text --train "$1" --valid "$2" --test "$3" --output "$4" "${@:5}" > /dev/null || fail "no corpus $4"; }
cp -r text copied
expect 0 each_rank "${training[@]}" : "${training[@]}" : "$trellis" train --config small.ini --data copied --run new train.steps=4
rm -r new
tac text.train > backwards.txt
again backwards.txt text.valid text.test trained && of_corpus 65 "the ranks differ in the corpus's split 'train': ranks 0-1: 1631 tokens in 1 shard(s), hash" trained
again text.train text.test text.test validated && of_corpus 65 "the ranks differ in the corpus's split 'valid': ranks 0-1: 360 tokens in 1 shard(s), hash" validated
again text.train text.valid text.valid tested && of_corpus 65 "the ranks differ in the corpus's split 'test'" tested
again text.train text.valid text.test cut --shard-tokens 700 && of_corpus 65 "rank 2: 1631 tokens in 3 shard(s), hash" cut
mkdir renamed && sed 's/w/q/g' text.train > renamed.txt
"$BUILD_BIN/trellis-preprocess" text --train renamed.txt --output renamed/corpus > /dev/null
of_corpus 65 "the ranks differ in the corpus's vocabulary: ranks 0-1: 61 words, hash" renamed/corpus
cp -r text lines && sed -i 's/"end_of_line": true/"end_of_line": false/' lines/manifest.json
of_corpus 65 "the ranks differ in the corpus's unit: ranks 0-1: word, lines end with <eos>; rank 2: word" lines
sequences images 50
apart 2 65 "the ranks differ in the corpus's kind: ranks 0-1: text; rank 2: labelled sequences" \
  "$trellis" train --config small.ini --run new train.steps=4 -- --data text -- --data images
# the same manifest, but not the files that it speaks of: the rank that has them looks at them itself
for file in vocabulary.h5 train-00000.h5 valid-00000.h5; do
  rm -rf spoiled && cp -r text spoiled && flip spoiled/$file -100
  of_corpus 65 "is damaged: its hash is" spoiled && says "rank 2 on" && says "$file"
done
rm -rf lacking && cp -r text lacking && rm lacking/train-00000.h5
of_corpus 66 "train-00000.h5" lacking

# --- program, command and flags ---
"$python" - "$trellis" other-build << 'PYTHON' || fail "no other build"
import os, re, subprocess, sys
notes = subprocess.run(["readelf", "-n", sys.argv[1]], capture_output=True, text=True).stdout
build_id = bytes.fromhex(re.search("Build ID: ([0-9a-f]+)", notes)[1])
program = open(sys.argv[1], "rb").read()
assert program.count(build_id) == 1
open(sys.argv[2], "wb").write(program.replace(build_id, bytes(20)))
os.chmod(sys.argv[2], 0o755)
PYTHON
command=("${training[@]:1}")
apart 2 78 "the ranks differ in the program's build: ranks 0-1: " -- "${training[@]}" -- ./other-build "${command[@]}"
says "; rank 2: 0000000000000000000000000000000000000000"
apart 1 78 "the ranks differ in the command: ranks 0, 2: trellis train; rank 1: trellis evaluate" -- "${training[@]}" -- "$trellis" evaluate --data text --run new
apart 2 78 "the ranks differ in --profile: ranks 0-1: not given; rank 2: 1:2" "${training[@]}" -- -- --profile 1:2
apart 2 2 "unknown flag '--profil'" "${training[@]}" -- -- --profil 1:2

# --- the run directory, by relative paths from folders apart ---
mkdir -p here there && cp -r text small.ini there && cp -r text small.ini here
rm -rf new
command=(--config small.ini --data text --run new train.steps=4)
refuse 78 "the ranks do not share the run directory: what rank 0 has made in it, rank 2 does not see" each_rank \
  env -C here "$trellis" train "${command[@]}" : env -C here "$trellis" train "${command[@]}" : env -C there "$trellis" train "${command[@]}"
says "$work/here/new; rank 2: $(hostname):$work/there/new"
holds_only here/new run.lock
# the run is shared, but its checkpoints lie elsewhere
mkdir -p shared/new && ln -s /proc/self/cwd/../local shared/new/checkpoints
mkdir -p a/b c/d a/local c/local
command=("$trellis" train --config "$work/small.ini" --data "$work/text" --run "$work/shared/new" train.steps=4)
refuse 78 "the ranks do not share the run directory" each_rank env -C a/b "${command[@]}" : env -C a/b "${command[@]}" : env -C c/d "${command[@]}"
says "shared/new/checkpoints"

# --- the other commands ---
expect 0 train 1 trained-run train.steps=2 && cp -r trained-run/checkpoints/step-0000000002 same
expect 0 train 1 more train.steps=2 train.seed=2 && cp -r more/checkpoints/step-0000000002 another
evaluating=("$trellis" evaluate --data text)
apart 2 78 "the ranks differ in --lanes: ranks 0-1: 3; rank 2: 4" "${evaluating[@]}" --run trained-run -- --lanes 3 -- --lanes 4
apart 2 78 "the ranks differ in --split: ranks 0-1: test; rank 2: valid" "${evaluating[@]}" --run trained-run -- -- --split valid
apart 2 65 "the ranks differ in the checkpoint: ranks 0-1: step 2, manifest" "${evaluating[@]}" -- --checkpoint same -- --checkpoint another
apart 2 65 "the ranks differ in the corpus's split 'train'" "$trellis" evaluate --run trained-run -- --data text -- --data trained
expect 0 each_rank "${evaluating[@]}" --checkpoint same --lanes 3 : "${evaluating[@]}" --checkpoint trained-run/checkpoints/step-0000000002 --lanes 3 --threads 2
expect 0 "$trellis" checkpoint export --run trained-run --weights one.safetensors && expect 0 "$trellis" checkpoint export --run more --weights other.safetensors
apart 2 65 "the ranks differ in the weights that were read: ranks 0-1: hash" "$trellis" checkpoint import --config small.ini --data text --run new \
  -- --weights one.safetensors -- --weights other.safetensors
apart 1 78 "the ranks differ in --which: ranks 0, 2: best; rank 1: newest" "$trellis" checkpoint export --run trained-run --weights new.safetensors -- -- --which newest
apart 2 78 "the ranks differ in model.levels: ranks 0-1: 4; rank 2: 5" "$trellis" plan --measure --config small.ini --data text -- -- model.levels=5
apart 2 65 "the ranks differ in FILE 1: ranks 0-1: plain.h5" "$BUILD_BIN/parity" --mesh 3,1,replicated,1 -- "$SOURCE_DIR/tests/parity/plain.h5" \
  -- "$SOURCE_DIR/tests/parity/weight_norm_aux.h5"
# a rank that prints something and is gone, before the others can ask it
rm -rf new
each_rank "${training[@]}" mesh.timeout=5 : "${training[@]}" mesh.timeout=5 : "${training[@]}" mesh.timeout=5 --print-config > output 2>&1
code=$?
[ $code != 0 ] && [ $code != 124 ] || { fail "exit code $code where one rank only prints its settings"; tail -n 20 output; }
[ "$quickest" -lt 5000 ] || fail "none was refused within 5 s"
finish "$refused differences between three ranks refused, within $quickest to $longest ms"
