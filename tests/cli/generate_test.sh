#!/bin/bash
# trellis generate: every generated token has the log-probability that trellis evaluate gives it in the same text, for words,
# characters and bytes, history handed on and discarded, whatever the prompt; draws that seed and flags alone decide; and how
# it ends when something is wrong.
# shellcheck disable=SC2034,SC2154
source "$(dirname "${BASH_SOURCE[0]}")/../train/run_helpers.sh"

generate() { timeout "$limit" "$trellis" generate "$@"; }
# equal WHAT ONE OTHER
equal() { [ "$2" = "$3" ] || fail "$1: '$2' instead of '$3'"; }
# same WHAT FILE FILE, differ WHAT FILE FILE
same() { cmp -s "$2" "$3" || fail "$1: $2 and $3 differ"; }
differ() { cmp -s "$2" "$3" && fail "$1: $2 and $3 are the same"; }

# symbols FILE...: the text as one of characters, some of them of two bytes
symbols() { sed 's/w1/é/g; s/w2/ü/g; s/w/x/g' "$@"; }

# scores_agree TOLERANCE GENERATED EVALUATED TOKENS: every row of the first is in the second, and there are TOKENS
scores_agree() {
  "$python" - "$@" << 'PYTHON' || fail "$what: the probabilities do not agree"
import sys
tolerance, tokens = float(sys.argv[1]), int(sys.argv[4])
tables = []
for name in sys.argv[2:4]:
    with open(name, encoding="utf-8", newline="\n") as file:
        lines = file.read().split("\n")
    assert lines[0] == "position\tid\ttoken\tlog_probability" and lines[-1] == "", name
    tables.append({int(row[0]): row[1:] for row in (line.split("\t") for line in lines[1:-1])})
generated, evaluated = tables
assert len(generated) == tokens, f"{len(generated)} rows, expected {tokens}"
worst = 0.0
for position, (number, token, score) in generated.items():
    assert evaluated[position][:2] == [number, token], f"position {position}: {token} and {evaluated[position]}"
    worst = max(worst, abs(float(score) - float(evaluated[position][2])))
print(f"largest difference {worst:.3g} over {tokens} tokens")
sys.exit(not worst <= tolerance)
PYTHON
}

# agrees RUN CORPUS UNIT_FLAGS PROMPT_FILE FLAG...: generates behind the prompt (or without one: ''), makes a corpus of the
# whole, evaluates it with the same cut, and compares
agrees() {
  local run=$1 corpus=$2 unit=$3 prompt=$4 cut=() start=
  shift 4
  what="$run, $* behind '${prompt:-nothing}'"
  for flag in "$@"; do case $flag in --window=* | --discard=*) cut+=("$flag") ;; esac; done
  [ -z "$prompt" ] || start="--prompt-file=$prompt"
  rm -rf joined joined.txt generated.tsv evaluated.tsv
  # shellcheck disable=SC2086
  generate --run "$run" --data "$corpus" $start --tokens 150 --log-probabilities generated.tsv "$@" > generated.txt 2> log || { fail "$what"; cat log; return; }
  # without a prompt the text stands behind the end of a line
  if [ -z "$prompt" ]; then { echo; cat generated.txt; } > joined.txt; else cat "$prompt" generated.txt > joined.txt; fi
  # shellcheck disable=SC2086
  "$BUILD_BIN/trellis-preprocess" text --test joined.txt --vocabulary "$corpus" --output joined $unit > log 2>&1 || { fail "$what"; cat log; return; }
  expect 0 "$trellis" evaluate --run "$run" --data joined --log-probabilities evaluated.tsv "${cut[@]}"
  scores_agree "${tolerance:-1e-6}" generated.tsv evaluated.tsv 150
}

corpus word 1500
for split in train valid test; do
  zipf_text 99 40 | cat word.$split - > plain.$split  # another text, the same words
  symbols word.$split > char.$split
done
make() { "$BUILD_BIN/trellis-preprocess" text --train "$1.train" --valid "$1.valid" --test "$1.test" --output "$@" > log 2>&1 || { cat log; exit 1; }; }
make plain --no-eos
make char --unit char
cp char.train byte.train && cp char.valid byte.valid && cp char.test byte.test
make byte --unit byte --no-eos

# 4 levels of dilation 1 reach 4 steps back: windows that overlap by 2 begin with less, by 6 with more than that
declare -A flags=([word]="--unit word" [plain]="--unit word --no-eos" [char]="--unit char" [byte]="--unit byte --no-eos")
for data in word plain char byte; do
  head -c 230 $data.test | sed '$ s/ [^ ]*$//' > prompt.$data  # its last line is open
  for discard in 0 2 6; do
    settings=(train.steps=25 train.precision=float32 "train.discard=$discard")
    case $data in char | byte) settings+=(model.cutoffs=5) ;; esac
    expect 0 train 1 $data-$discard "${settings[@]}"
    agrees $data-$discard $data "${flags[$data]}" prompt.$data
    [ $data = plain ] || agrees $data-$discard $data "${flags[$data]}" "" --temperature 0.8 --top-k 9 --top-p 0.9
  done
done
agrees word-0 word "--unit word" prompt.word --window=7 --discard=3
agrees word-2 word "--unit word" prompt.word --discard=0 --window=64 --temperature=0
data=char expect 0 train 1 double train.steps=5 model.cutoffs=
tolerance=1e-12 agrees double char "--unit char" prompt.char --top-k=3
printf 'w2 unheard-of w3' > unknown.txt
refuse 65 "'unheard-of' does not occur in the training text" generate --run word-0 --data word --prompt-file unknown.txt

# --- what decides the text ---
# text FILE FLAG...: 60 words behind the prompt into the file
text() {
  local file=$1
  shift
  generate --run word-0 --data word --tokens 60 "$@" > "$file" || fail "text from: $*"
}
behind=(--prompt-file prompt.word)
text reference "${behind[@]}"
equal "words and line ends" $(($(wc -w < reference) + $(tr -cd '\n' < reference | wc -c))) 60
text again "${behind[@]}" --seed 1 --threads 2
same "the same flags" reference again
text again --prompt-file - < prompt.word
same "prompt from standard input" reference again
text again --prompt "$(cat prompt.word)"
same "prompt on the command line" reference again
text again --prompt-file <(cat prompt.word)
same "prompt from a pipe" reference again
text again "${behind[@]}" --echo
cat prompt.word reference > both
same "--echo prints prompt and text" both again
expect 0 mpirun -n 1 "$trellis" generate --run word-0 --data word --tokens 60 "${behind[@]}"
same "under mpirun" reference output
text by-name "${behind[@]}" --which newest
generate --checkpoint "$(newest_of word-0)" --data word --tokens 60 "${behind[@]}" > by-path || fail "a checkpoint by its path"
same "the newest by path" by-name by-path
text other "${behind[@]}" --seed 2
differ "another seed" reference other
generate --run word-0 --data word --tokens 20 "${behind[@]}" > short || fail "20 tokens"
head -c "$(wc -c < short)" reference > beginning
same "fewer tokens begin alike" beginning short
text greedy "${behind[@]}" --temperature 0
for option in --temperature=0 --top-k=1 --top-p=1e-9 --temperature=1e-9; do
  text again "${behind[@]}" "$option" --seed 2
  same "$option takes the most probable one" greedy again
done
differ "greedy" reference greedy
# nothing, and what holds no token, is the beginning of a line
text nothing
text again --prompt '   '
same "a prompt of blanks" nothing again

# <unk> may come, or not
"$BUILD_BIN/trellis-preprocess" text --train word.train --valid word.valid --test word.test --min-count 30 --output rare > log 2>&1 || cat log
data=rare expect 0 train 1 rare-run train.steps=3 model.cutoffs=
expect 0 generate --run rare-run --data rare --tokens 200
says '<unk>'
expect 0 generate --run rare-run --data rare --tokens 200 --no-unknown
grep -q '<unk>' output && fail "<unk> in spite of --no-unknown"
expect 0 generate --run rare-run --data rare --tokens 1 --prompt 'w1 unheard-of w1'
says "1 of the prompt's 3 tokens are <unk>"

# --- how it ends ---
generate --run word-0 --data word --tokens 1000000000 --log-probabilities piped.tsv | head -c 50 > piped
equal "reader gone" "${PIPESTATUS[*]}" "0 0"
equal "reader gone: bytes" "$(wc -c < piped)" 50
[ "$(wc -l < piped.tsv)" -gt 10 ] || fail "reader gone: no log"
generate --run word-0 --data word > /dev/full 2> output
equal "full disk" $? 74
says "standard output"
"$trellis" generate --run word-0 --data word --tokens 1000000000 --log-probabilities interrupted.tsv > interrupted 2> output &
endless=$!
wait_until "$limit" [ -s interrupted ] || fail "nothing is printed before the end"
kill -INT $endless
wait $endless
equal "Ctrl-C" $? 75
equal "Ctrl-C: rows of the log" "$(($(wc -l < interrupted.tsv) - 1))" "$(($(wc -w < interrupted) + $(tr -cd '\n' < interrupted | wc -c)))"

good=(generate --run word-0 --data word)
refuse 2 "give either --run or --checkpoint" generate --data word
refuse 2 "give either --run or --checkpoint" "${good[@]}" --checkpoint "$(newest_of word-0)"
refuse 2 "--data is missing" generate --run word-0
refuse 2 "--which is 'oldest'" "${good[@]}" --which oldest
refuse 2 "--prompt and --prompt-file exclude each other" "${good[@]}" --prompt a --prompt-file b
refuse 2 "--tokens is 0, expected at least 1" "${good[@]}" --tokens 0
refuse 2 "--temperature is -1, expected at least 0" "${good[@]}" --temperature=-1
refuse 2 "--temperature is 'nan', expected a finite number" "${good[@]}" --temperature nan
refuse 2 "--temperature is 'warm', expected a number" "${good[@]}" --temperature warm
refuse 2 "--top-k is -3, expected at least 0" "${good[@]}" --top-k=-3
refuse 2 "--top-p is 0, expected above 0 and at most 1" "${good[@]}" --top-p 0
refuse 2 "--top-p is 1.5, expected above 0 and at most 1" "${good[@]}" --top-p 1.5
refuse 2 "--seed is -1, expected at least 0" "${good[@]}" --seed=-1
refuse 2 "unknown flag '--top_k', did you mean '--top-k'?" "${good[@]}" --top_k 3
refuse 2 "trellis generate is one process, but mpirun has started 2" ranks 2 "$trellis" generate --run word-0 --data word
refuse 2 "there is no prompt, and no token that ends a line" generate --run plain-0 --data plain
refuse 66 "nowhere" "${good[@]}" --prompt-file nowhere
refuse 65 "invalid UTF-8: byte 0xff" generate --run char-0 --data char --prompt $'x\xff'
refuse 66 "there is no such run" generate --run nowhere --data word
refuse 65 "is not the one that the network was trained with" generate --run word-0 --data char
refuse 78 "7 discarded steps in windows of 5 steps" "${good[@]}" --window 5 --discard 7
echo taken > taken
refuse 73 "there is something already" "${good[@]}" --log-probabilities taken
refuse 74 "the log of the tokens cannot be written" "${good[@]}" --log-probabilities nowhere/log
equal "left alone" "$(cat taken)" taken

# one step of a rate like this, and every weight is beyond what float32 can add up
data=word expect 0 train 1 wild train.steps=1 train.precision=float32 optimizer.learning_rate=1e38 model.cutoffs= valid.every=100
refuse 16 "the log-probability of token 0 is nan" generate --run wild --data word
says "step-0000000001, at token 1 of the text"

# a classifier has nothing to say
printf '\0\0\10\3\0\0\0\3\0\0\0\2\0\0\0\2abcdefghijkl' > images
printf '\0\0\10\1\0\0\0\3\7\1\11' > labels
"$BUILD_BIN/trellis-preprocess" images --format idx --train images --train-labels labels --output images.corpus > log 2>&1 || cat log
expect 0 "$trellis" train --data images.corpus --run classifier model.task=classifier model.embedding=1 model.outputs=10 model.hidden=16 \
  model.levels=2 train.window=4 train.lanes=3 train.steps=1
refuse 65 "the network is a classifier" generate --run classifier --data images.corpus
refuse 65 "the network is a classifier" generate --run classifier --data word
refuse 65 "the network was trained on" generate --run word-0 --data images.corpus

finish "generated as evaluated; $refused wrong requests refused"
