#!/bin/bash
# A table of wrong command lines, settings and corpora: each has its exit code and a message that says what is wrong, on
# one rank and on several, and nothing half-written stays behind.
# shellcheck disable=SC2034,SC2154
source "$(dirname "${BASH_SOURCE[0]}")/../train/run_helpers.sh"

corpus text 1500
data=text
whole=(--config small.ini --data text --run new train.steps=2)

# bad CODE TEXT WORD...: training with small.ini and these settings
bad() { refuse "$1" "$2" ranks 1 "$trellis" train "${whole[@]}" "${@:3}"; }
# bad_corpus CODE TEXT NAME [WORD...]: training on the corpus NAME
bad_corpus() { refuse "$1" "$2" ranks 1 "$trellis" train --config small.ini --data "$3" --run new train.steps=2 "${@:4}"; }
# bad_evaluation CODE TEXT FLAG...
bad_evaluation() { refuse "$1" "$2" ranks 1 "$trellis" evaluate "${@:3}"; }

# --- command line ---
refuse 2 "no command given" "$trellis"
refuse 2 "unknown command 'trian', did you mean 'train'?" "$trellis" trian
refuse 2 "unknown flag '--verison'" "$trellis" --verison
refuse 2 "unknown flag '--cofnig', did you mean '--config'?" "$trellis" train --cofnig small.ini
refuse 2 "--data is missing" "$trellis" train --run new train.steps=2
refuse 2 "--run is missing" "$trellis" train --data text train.steps=2
refuse 2 "--resume is given twice" "$trellis" train "${whole[@]}" --resume auto --resume none
refuse 2 "--init-from and --resume exclude each other" "$trellis" train "${whole[@]}" --resume auto --init-from old
refuse 2 "'train.lanes' cannot be understood, expected section.option=value" "$trellis" train "${whole[@]}" train.lanes
bad_evaluation 2 "--data is missing" --run new
bad_evaluation 2 "give either --run or --checkpoint" --data text
bad_evaluation 2 "give either --run or --checkpoint" --data text --run new --checkpoint new
bad_evaluation 2 "--which is 'oldest'" --data text --run new --which oldest
bad_evaluation 2 "--split is 'dev'" --data text --run new --split dev
bad_evaluation 2 "--lanes is -1, expected at least 0" --data text --run new --lanes=-1
bad_evaluation 2 "--window is 'ten', expected" --data text --run new --window ten
bad_evaluation 2 "'extra' belongs to no flag" --data text --run new extra
[ -e new ] && fail "a wrong command line makes a run folder"

# --- settings ---
bad 78 "unknown setting 'train.lans', did you mean 'train.lanes'?" train.lans=3
bad 78 "unknown setting 'lanes', did you mean 'train.lanes'?" lanes=3
bad 78 "train.lanes is 'three', expected a whole number, from 1 to 1000000" train.lanes=three
bad 78 "train.lanes is '3.5', expected a whole number" train.lanes=3.5
bad 78 "train.lanes is '0', expected" train.lanes=0
bad 78 "train.steps is '99999999999999999999', expected" train.steps=99999999999999999999
bad 78 "optimizer.learning_rate is 'nan', expected" optimizer.learning_rate=nan
bad 78 "optimizer.learning_rate is '0', expected a number, above 0" optimizer.learning_rate=0
bad 78 "dropout.hidden is '1', expected a number, from 0 to below 1" dropout.hidden=1
bad 78 "train.precision is 'float16', expected" train.precision=float16
bad 78 "model.dilations is '1,,2', expected whole numbers" model.dilations=1,,2
bad 78 "model.kernel is '1', expected" model.kernel=1
bad 78 "model.outputs is 48, expected at most model.hidden, which is 24" model.outputs=48 model.embedding=48
bad 78 "model.embedding is 16, expected model.outputs, which is 12" model.embedding=16
bad 78 "model.dilations is empty" model.dilations=
bad 78 "30 follows 40" model.cutoffs=10,40,30
bad 78 "cutoff 5000 does not lie between 10 and the vocabulary's 61 words" model.cutoffs=10,5000
bad 78 "train.discard is 10, expected less than train.window, which is 10" train.discard=10
bad 78 "train.discard is 5, expected less than valid.window, which is 3" train.discard=5 valid.window=3
bad 78 "there is no auxiliary output" auxiliary.every=0
bad 78 "auxiliary.every is 9, expected at most model.levels, which is 4" auxiliary.every=9
bad 78 "the run would never end" train.steps=0
bad 78 "schedule.floor is 1, expected at most optimizer.learning_rate" schedule.floor=1
bad 78 "schedule.milestones is 3,2, expected rising numbers" schedule.milestones=3,2
bad 78 "tokens in 5000 lanes leave 0 for each, expected at least 2" train.lanes=5000
bad 78 "lanes leave 0 for each" valid.lanes=2000
if ! nvidia-smi -L >nvidia-smi.log 2>&1; then bad 78 "cuda is asked for, but no NVIDIA driver shows a GPU here" train.device=cuda; fi
bad 78 "train.precision is tf32, but this run computes on CPUs" train.device=cpu train.precision=tf32

# --- configuration files ---
printf '[train]\nlanes = 7\n[modle]\nlevels = 4\n' > section.ini
printf '[train]\nlanes = 7\nlanes = 8\n' > twice.ini
printf '[train]\nlanes = 7\nthis is no setting\n' > line.ini
printf '[train]\nlans = 7\n' > key.ini
head -c 300 "$trellis" > binary.ini
configuration() { refuse "$1" "$2" ranks 1 "$trellis" train --config "$3" --data text --run new train.steps=2; }
configuration 66 "cannot read the configuration file: No such file" nowhere.ini
configuration 66 "is a directory, expected a configuration file" text
configuration 78 "expected a text file" binary.ini
configuration 78 "unknown section '[modle]', did you mean" section.ini
says "section.ini:3"
configuration 78 "train.lanes is given twice, first at twice.ini:2" twice.ini
configuration 78 "'this is no setting' cannot be understood" line.ini
configuration 78 "unknown setting 'train.lans', did you mean 'train.lanes'?" key.ini
says "key.ini:2"

# --- corpora ---
shard=text/train-00000.h5
spoiled() { rm -rf spoiled && cp -r text spoiled; }
bad_corpus 66 "nowhere" nowhere
bad_corpus 66 "small.ini" small.ini
mkdir empty && bad_corpus 66 "manifest.json" empty
spoiled && head -c 100 text/manifest.json > spoiled/manifest.json && bad_corpus 65 "manifest is not valid JSON" spoiled
spoiled && sed -i '0,/"tokens": [0-9]*/s//"tokens": 7/' spoiled/manifest.json && bad_corpus 65 "'splits.train.tokens' is 7, but the shards have" spoiled
spoiled && sed -i 's/"file": "train-/"file": "..\/text\/train-/' spoiled/manifest.json && bad_corpus 65 "expected a plain file name" spoiled
spoiled && flip spoiled/vocabulary.h5 -1 && bad_corpus 65 "is damaged: its hash is" spoiled
spoiled && rm spoiled/vocabulary.h5 && bad_corpus 66 "vocabulary.h5" spoiled
spoiled && rm spoiled/train-00000.h5 && bad_corpus 66 "train-00000.h5" spoiled
spoiled && truncate -s -100 spoiled/train-00000.h5 && bad_corpus 65 "the manifest says $(stat -c %s "$shard")" spoiled
spoiled && flip spoiled/train-00000.h5 -100 && bad_corpus 65 "is damaged: its hash is" spoiled
spoiled && ln -sf "$PWD/$shard" spoiled/train-00000.h5 && bad_corpus 65 "is a symbolic link, expected a regular file" spoiled
spoiled && flip spoiled/valid-00000.h5 -100 && bad_corpus 65 "valid-00000.h5" spoiled
# a number that is no word is found even where hashes are not looked at
offset=$("$python" -c "import h5py; print(h5py.File('$shard', 'r')['tokens'].id.get_offset())")
spoiled && flip spoiled/train-00000.h5 $((offset + 40)) && bad_corpus 65 "/tokens[10]: id " spoiled data.verify=false
says "expected < 61"
spoiled && flip spoiled/train-00000.h5 $((offset + 2)) && refuse 65 "/tokens[0]: id " ranks 2 "$trellis" train --config small.ini --data spoiled --run new2 train.steps=2 data.verify=false
# what is found on the way leaves metrics; the folder is then a run
rm -rf new new2
zipf_text 5 300 > other.txt
"$BUILD_BIN/trellis-preprocess" text --train other.txt --output alone > /dev/null 2>&1
bad_corpus 78 "need validation, but the corpus has no split 'valid'" alone train.patience=2 model.cutoffs=10
"$BUILD_BIN/trellis-preprocess" text --valid text.valid --vocabulary text --output no-train > log 2>&1 || cat log
bad_corpus 66 "the corpus has no split 'train', only: valid" no-train

# None of all this has left anything but the folder of a run that never began, and that one is free to begin.
holds_only new run.lock
expect 0 ranks 1 "$trellis" train "${whole[@]}"

# --- evaluation ---
bad_evaluation 65 "is not the one that the network was trained with (61 words" --run new --data alone
bad_evaluation 66 "nowhere/text" --run new --data nowhere/text
bad_evaluation 66 "the corpus has no split 'test', only: valid" --run new --data no-train
bad_evaluation 78 "1000 lanes for the 479 predictions of 480 tokens" --run new --data text --lanes 1000
bad_evaluation 66 "there is no such run" --run nowhere --data text
mkdir -p empty && bad_evaluation 66 "the run has no checkpoint" --run empty --data text
bad_evaluation 66 "there is no such checkpoint folder" --checkpoint nowhere --data text
spoiled && flip spoiled/test-00000.h5 -100 && bad_evaluation 65 "is damaged: its hash is" --run new --data spoiled

finish "$refused wrong inputs refused, each with its code and its message"
