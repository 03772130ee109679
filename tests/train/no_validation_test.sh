#!/bin/bash
# A corpus without a split for validation: checkpoints are saved at each epoch's end, unless checkpoint.every says when; a run that is
# killed has lost an epoch at most.
# shellcheck disable=SC2034,SC2154
source "$(dirname "${BASH_SOURCE[0]}")/run_helpers.sh"

corpus text 640
"$BUILD_BIN/trellis-preprocess" text --train text.train --output alone > alone.log 2>&1 || { cat alone.log; exit 1; }
data=alone

saves() { sed -n 's/.*"event":"checkpoint".*"step":\([0-9]*\),.*/\1/p' "$1/metrics.jsonl" | tr '\n' ' '; }

expect 0 train 1 run train.epochs=3 checkpoint.keep=9
says "there will be no validation; a checkpoint is saved at each epoch's end"
epoch=$(last_step_of run)
epoch=$((epoch / 3))
[ "$(saves run)" = "$epoch $((2 * epoch)) $((3 * epoch)) " ] || fail "saved at the steps $(saves run), expected multiples of $epoch"

expect 0 train 1 often train.epochs=2 checkpoint.keep=9 checkpoint.every=$((epoch - 1))
[ "$(saves often)" = "$((epoch - 1)) $((2 * epoch - 2)) $((2 * epoch)) " ] || fail "checkpoint.every: saved at the steps $(saves often)"

data=text  # with validation it is there that checkpoints are saved
expect 0 train 1 validated train.epochs=2 checkpoint.keep=9 valid.every=$((epoch + 1))
[ "$(saves validated)" = "$((epoch + 1)) $((2 * epoch)) " ] || fail "validated: saved at the steps $(saves validated)"

finish "without validation each epoch is saved"
