#!/usr/bin/env bash
# tests/refactor_check: what of two recorded folders it calls different. That two builds are recorded alike takes minutes and is done by
# hand; a recording of one stand-in build is made here.

# shellcheck disable=SC2154  # scratch and clone come from helpers.sh
# shellcheck source=helpers.sh
source "$(dirname "${BASH_SOURCE[0]}")/helpers.sh"
mkdir "$clone/tests"
cp "$source_dir/tests/refactor_check" "$clone/tests/"
check=$clone/tests/refactor_check
recorded() { mkdir -p "$1/runs/word" "$1/logs"; printf 'a\nb\n' >"$1/runs/word/metrics.jsonl"; printf '\1\2\3' >"$1/runs/word/state.h5"; echo "$1" >"$1/logs/word.log"; touch "$1/complete"; }

say_test "what is the same, whatever the logs say"
recorded "$scratch/one"
recorded "$scratch/other"
run 0 "$check" --compare "$scratch/one" "$scratch/other"
says "3 files are the same"

say_test "a byte, and a line with its two forms"
printf '\1\2\4' >"$scratch/other/runs/word/state.h5"
printf 'a\nc\n' >"$scratch/other/runs/word/metrics.jsonl"
run 1 "$check" --compare "$scratch/one" "$scratch/other"
says "runs/word/state.h5 differs: byte 3" "runs/word/metrics.jsonl differs: byte 3, line 2" "< b" "> c" "2 differ"

say_test "a file that one of them has alone, whichever"
recorded "$scratch/other"
touch "$scratch/other/runs/word/more" "$scratch/one/runs/word/weights"
run 1 "$check" --compare "$scratch/one" "$scratch/other"
says "runs/word/more is in $scratch/other alone" "runs/word/weights is in $scratch/one alone" "2 differ"

say_test "a recording stops at the first program that fails, with its code and words, and takes no folder that is there"
mkdir -p "$scratch/build/bin"
for program in trellis trellis-preprocess; do printf '#!/bin/sh\necho "no such network" >&2\nexit 78\n' >"$scratch/build/bin/$program"; done
chmod +x "$scratch/build/bin/"*
run 78 "$check" --record "$scratch/build" "$scratch/new"
says "no such network" "ended with exit code 78"
run 73 "$check" --record "$scratch/build" "$scratch/one"
run 66 "$check" --record "$scratch/nowhere" "$scratch/newer"
exists_not "$scratch/newer"
run 66 "$check" --compare "$scratch/one" "$scratch/nowhere"
run 66 "$check" --compare "$scratch/one" "$scratch/new"  # which broke off
run 2 "$check" --compare "$scratch/one" "$scratch/one"
run 2 "$check" --compare "$scratch/one"
run 2 "$check" --what
run 2 "$check"
echo "all passed"
