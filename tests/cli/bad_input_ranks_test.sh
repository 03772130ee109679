#!/bin/bash
# The same under mpirun: the exit code passes through it, one message is told, and no rank is left waiting for another.
# shellcheck disable=SC2034,SC2154
source "$(dirname "${BASH_SOURCE[0]}")/../train/run_helpers.sh"

corpus text 1500
data=text
# together CODE TEXT COMMAND...: on two ranks
together() { refuse "$1" "$2" ranks 2 "$trellis" "${@:3}"; }
whole=(--config small.ini --data text --run new train.steps=2)

together 2 "unknown flag '--cofnig'" train --cofnig small.ini
together 2 "give either --run or --checkpoint" evaluate --data text
together 78 "unknown setting 'train.lans'" train "${whole[@]}" train.lans=3
together 78 "cutoff 5000 does not lie between" train "${whole[@]}" model.cutoffs=10,5000
together 78 "tokens in 5000 lanes" train "${whole[@]}" train.lanes=5000
together 66 "cannot read the configuration file" train --config nowhere.ini --data text --run new
together 66 "nowhere" train --config small.ini --data nowhere --run new train.steps=2
together 66 "there is no such checkpoint folder" train "${whole[@]}" --resume nowhere
cp -r text spoiled && flip spoiled/train-00000.h5 -100
together 65 "is damaged: its hash is" train --config small.ini --data spoiled --run new train.steps=2
holds_only new run.lock

expect 0 ranks 2 "$trellis" train "${whole[@]}"
together 73 "already holds a run" train "${whole[@]}"
together 66 "there is no such run" evaluate --data text --run nowhere
cp -r new damaged && flip damaged/checkpoints/step-0000000002/state.h5 -100
together 65 "is damaged: its hash is" evaluate --data text --checkpoint damaged/checkpoints/step-0000000002
finish "$refused wrong inputs refused on two ranks"
