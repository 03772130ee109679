#!/bin/bash
# trellis evaluate: the same figure on any number of ranks, every token scored or told why not, many lanes as good as one, the
# figure of validation when asked alike, bits of the text, and ln V for a network that knows nothing.
# shellcheck disable=SC2034,SC2154
source "$(dirname "${BASH_SOURCE[0]}")/run_helpers.sh"

# quiet COMMAND...: what it tells people goes to $work/told
quiet() { "$@" 2> "$work/told" || { local code=$?; cat "$work/told"; return $code; }; }
# evaluate RANKS FLAG...: JSON in $work/output, of the corpus $evaluated
evaluated=text
evaluate() {
  local count=$1
  shift
  expect 0 quiet ranks "$count" "$trellis" evaluate --data "$evaluated" --json "$@"
}
# figure NAME: of the last evaluate
figure() { sed -n "s/^{.*\"$1\":\"\\{0,1\\}\\([^,}\"]*\\).*/\\1/p" "$work/output"; }
# near WHAT ONE OTHER LIMIT: relative
near() {
  awk -v a="$2" -v b="$3" -v limit="$4" 'BEGIN { d = a - b; if (d < 0) d = -d; exit !(a != "" && b != "" && d <= limit * b) }' || fail "$1: '$2' and '$3'"
}
equal() { [ "$2" = "$3" ] || fail "$1: '$2' instead of '$3'"; }
tokens_in() { sed -n "/\"$1\": {/,/}/s/.*\"tokens\": \\([0-9]*\\),.*/\\1/p" text/manifest.json | head -n 1; }

corpus text 1500
data=text
test_tokens=$(tokens_in test) valid_tokens=$(tokens_in valid)

# Its best checkpoint is that of step 20; then a wild learning rate spoils it.
expect 0 train 1 run train.steps=20 valid.every=10
best=$(sed -n 's/.*"event":"validation".*"step":20,.*"loss_nats":\([^,]*\),.*/\1/p' run/metrics.jsonl)
expect 0 train 1 run --resume auto train.steps=40 valid.every=10 optimizer.learning_rate=3
newest=$(sed -n 's/.*"event":"validation".*"step":40,.*"loss_nats":\([^,]*\),.*/\1/p' run/metrics.jsonl)
grep -q '"event":"validation".*"step":20,.*"best":true' run/metrics.jsonl || fail "step 20 should be the best"
grep -q '"event":"validation".*"step":40,.*"best":false' run/metrics.jsonl || fail "step 40 should be worse"

# any number of ranks; with one lane, most of them have nothing to do
for lanes in 1 5; do
  evaluate 1 --run run --lanes "$lanes" --context 0
  reference=$(figure loss_nats_per_token)
  equal "$lanes lanes: tokens" "$(figure tokens)" $((test_tokens - lanes))
  equal "$lanes lanes: tokens of the split" "$(figure split_tokens)" "$test_tokens"
  equal "$lanes lanes: not scored" "$(figure not_scored)" "$lanes"
  equal "$lanes lanes: the best checkpoint" "$(figure step)" 20
  near "$lanes lanes: bits" "$(figure bits_per_token)" "$(awk -v x="$reference" 'BEGIN { printf "%.17g", x / log(2) }')" 1e-14
  near "$lanes lanes: perplexity" "$(figure perplexity)" "$(awk -v x="$reference" 'BEGIN { printf "%.17g", exp(x) }')" 1e-13
  for count in 2 3; do
    evaluate "$count" --run run --lanes "$lanes" --context 0
    near "$lanes lanes on $count ranks" "$(figure loss_nats_per_token)" "$reference" 1e-12
    equal "$lanes lanes on $count ranks: tokens" "$(figure tokens)" $((test_tokens - lanes))
    equal "$count ranks: lines of output" "$(wc -l < output)" 1
  done
done

# as validation sees it: the same lanes and window, to the last digit
evaluate 1 --run run --split valid --lanes 5 --context 0
equal "validation at step 20" "$(figure loss_nats_per_token)" "$best"
equal "split" "$(figure split)" valid
equal "tokens" "$(figure tokens)" $((valid_tokens - 5))
evaluate 1 --run run --split valid --lanes 5 --context 0 --which newest
equal "validation at step 40" "$(figure loss_nats_per_token)" "$newest"
equal "newest" "$(figure step)" 40
evaluate 1 --checkpoint run/checkpoints/step-0000000040 --split valid --lanes 5 --context 0
equal "by path" "$(figure loss_nats_per_token)" "$newest"
evaluate 1 --run run --split train
equal "training split" "$(figure tokens)" $(($(tokens_in train) - 1))
evaluate 1 --run run --window 3
equal "window" "$(figure window)" 3
equal "window of 3: tokens" "$(figure tokens)" $((test_tokens - 1))

# as people read it
expect 0 "$trellis" evaluate --data text --run run
says "test: $((test_tokens - 1)) of $test_tokens tokens scored (1 lane(s), windows of 10 steps, history handed on)"
says "a word"
says "evaluating run/checkpoints/step-0000000020 on 'test' of text: $((test_tokens - 1)) of $test_tokens tokens"
says "tokens/s"
grep -q "not scored" output && fail "only the first token of the text is not scored, which needs no words"

# every token is scored with any number of lanes, or counted
evaluate 1 --run run --exact
exact=$(figure loss_nats_per_token)
for lanes in 2 7 200 "$((test_tokens - 1))"; do
  for count in 1 3; do
    evaluate "$count" --run run --lanes "$lanes"
    equal "$lanes lanes: tokens" "$(figure tokens)" $((test_tokens - 1))
    equal "$lanes lanes: context" "$(figure context)" 64
    # lanes shorter than a window begin within one, where the input of the steps before is not seen
    near "$lanes lanes with context" "$(figure loss_nats_per_token)" "$exact" "$(if [ "$lanes" -lt 100 ]; then echo 2e-3; else echo 1e-2; fi)"
  done
done
expect 0 "$trellis" evaluate --data text --run run --lanes 200 --context 0
says "test: $((test_tokens - 200)) of $test_tokens tokens scored (200 lane(s), "
says "not scored  200: 200 the first of each lane, which begins afresh (--context gives it history)"
expect 0 "$trellis" evaluate --data text --run run --lanes 200 --like-scripts
says "test: 200 of $test_tokens tokens scored"
says "not scored  $((test_tokens - 200)): 200 the first of each lane, which begins afresh; $((test_tokens % 200)) at the end, which fill no lane"
refuse 78 "$test_tokens lanes for the $((test_tokens - 1)) predictions" "$trellis" evaluate --run run --data text --lanes "$test_tokens"
refuse 2 "--exact is one lane" "$trellis" evaluate --run run --data text --exact --lanes 2

# a part of the split
evaluate 1 --run run --exact --log-probabilities first.tsv
evaluate 2 --run run --exact --limit 100
equal "limit: tokens" "$(figure tokens)" 100
equal "limit: told" "$(figure limit)" 100
near "the mean of the first 100" "$(figure loss_nats_per_token)" "$(awk -F '\t' 'NR > 1 && NR <= 101 { sum -= $4 } END { printf "%.17g", sum / 100 }' first.tsv)" 1e-12
[ -z "$(figure bits_per_character)" ] || fail "a part of the split has no characters"
expect 0 "$trellis" evaluate --data text --run run --limit 100
says "not scored  $((test_tokens - 100)): $((test_tokens - 101)) beyond --limit; 1 the first of the text"
evaluate 1 --run run --limit 100000
equal "no more than there is" "$(figure tokens)" $((test_tokens - 1))
rm first.tsv

# bits of the text: a corpus that counts its characters, and one of the first version
evaluate 1 --run run
for unit in character:text_characters byte:text_bytes; do
  size=$(sed -n "/\"test\": {/,/}/s/.*\"${unit#*:}\": \([0-9]*\),.*/\1/p" text/manifest.json | head -n 1)
  equal "${unit#*:}" "$size" "$(wc -c < text.test)"
  near "bits a ${unit%:*}" "$(figure "bits_per_${unit%:*}")" "$(awk -v nats="$(figure loss_nats_per_token)" -v n="$test_tokens" -v size="$size" 'BEGIN { printf "%.17g", nats / log(2) * n / size }')" 1e-14
done
cp -r text old
sed -i 's/"format_version": 2/"format_version": 1/; /text_bytes/d; /text_characters/d' old/manifest.json
evaluated=old evaluate 1 --run run
[ -z "$(figure bits_per_byte)" ] || fail "an old corpus does not know its text"
expect 0 "$trellis" evaluate --data old --run run
says "not known of a corpus of this age"

# a long text goes through many lanes by itself, the same on any number of ranks
zipf_text 99 9000 > long.test
"$BUILD_BIN/trellis-preprocess" text --test long.test --vocabulary text --output long > /dev/null 2>&1
evaluated=long evaluate 1 --run run --exact
long_tokens=$(figure split_tokens) exact=$(figure loss_nats_per_token)
for count in 1 3; do
  evaluated=long evaluate "$count" --run run
  equal "lanes by rule" "$(figure lanes)" $((long_tokens / 1280))
  equal "lanes by rule: tokens" "$(figure tokens)" $((long_tokens - 1))
  near "lanes by rule" "$(figure loss_nats_per_token)" "$exact" 1e-4
  by_parts=$(figure split_products)
  near "lanes by rule on $count ranks" "$(figure loss_nats_per_token)" "${by_rule:=$(figure loss_nats_per_token)}" 1e-12
done

# history discarded: windows overlap, and every token but the first still counts once
expect 0 train 1 discarded train.steps=3 train.discard=4 valid.every=3
for count in 1 3; do
  evaluate "$count" --run discarded --lanes 2 --context 0
  equal "discarded: tokens" "$(figure tokens)" $((test_tokens - 2))
done
# lanes by rule may multiply by parts of float32 numbers, which is told; whoever names the numbers or the lanes gets float32
evaluated=long evaluate 1 --run run --precision float32
equal "named numbers: by parts" "$(figure split_products)" false
near "by parts and in float32" "$by_rule" "$(figure loss_nats_per_token)" 1e-6
evaluated=long evaluate 1 --run run --lanes $((long_tokens / 1280))
equal "named lanes: by parts" "$(figure split_products)" false
expect 0 "$trellis" evaluate --data long --run run
if [ "$by_parts" = true ]; then says "levels multiply by bfloat16 parts"; else ! grep -q "bfloat16 parts" output || fail "no parts were to be told of"; fi
# windows that begin afresh: lanes with as much context as windows overlap give the figure of one
evaluate 1 --run discarded --exact
exact=$(figure loss_nats_per_token)
for arguments in "--lanes 7" "--lanes 30 --context 4" "--lanes 3 --context 5"; do
  # shellcheck disable=SC2086
  evaluate 2 --run discarded $arguments
  near "discarded: $arguments" "$(figure loss_nats_per_token)" "$exact" 1e-12
done
evaluate 1 --run discarded --split valid --lanes 5 --context 0
equal "discarded: validation" "$(figure loss_nats_per_token)" "$(sed -n 's/.*"event":"validation".*"loss_nats":\([^,]*\),.*/\1/p' discarded/metrics.jsonl)"

# Modes of evaluation that the run was not trained with. What is scored is listed token by token.
# listed FILE: tokens in it, and the mean of -log p
listed() { awk -F '\t' 'NR > 1 { n++; sum -= $4 } END { printf "%d %.17g", n, sum / n }' "$1"; }
reach=4  # levels of the network, kernel 2
evaluate 1 --run run --discard $((reach * 2)) --log-probabilities one.tsv
equal "discarded: every token but the first" "$(figure tokens)" $((test_tokens - 1))
exact=$(figure loss_nats_per_token)
read -r count mean <<< "$(listed one.tsv)"
equal "listed tokens" "$count" $((test_tokens - 1))
near "mean of the list" "$mean" "$exact" 1e-12
[ "$(cut -f 1 one.tsv | tail -n +2)" = "$(seq 1 $((test_tokens - 1)))" ] || fail "positions are not 1, 2, 3, ..."
[ "$(cut -f 3 one.tsv | tail -n +2 | sed 's/<eos>//' | xargs)" = "$(cut -d ' ' -f 2- <<< "$(xargs < text.test)")" ] || fail "the listed tokens are not the text"
# history is no longer than the network reaches: windows and lanes do not matter any more
for arguments in "--discard 8 --lanes 5 --context 40" "--discard 8 --lanes 3 --context 9 --window 33" "--window 7 --discard 5"; do
  for count in 1 3; do
    rm -f many.tsv
    # shellcheck disable=SC2086
    evaluate "$count" --run run --log-probabilities many.tsv $arguments
    equal "$arguments: tokens" "$(figure tokens)" $((test_tokens - 1))
    near "$arguments" "$(figure loss_nats_per_token)" "$exact" 1e-12
    cmp -s <(cut -f 1-3 one.tsv) <(cut -f 1-3 many.tsv) || fail "$arguments on $count ranks: another list of tokens"
    paste one.tsv many.tsv | awk -F '\t' 'NR > 1 { d = $4 - $8; if (d < 0) d = -d; if (d > 1e-10) bad++ } END { exit bad > 0 }' || fail "$arguments on $count ranks: log-probabilities differ"
  done
done
evaluate 1 --run run
[ "$(figure loss_nats_per_token)" != "$exact" ] || fail "history handed on should not be history discarded"
# as the scripts: five lanes, none scores its first steps
evaluate 1 --run run --like-scripts --discard 6
equal "like the scripts: tokens" "$(figure tokens)" $((5 * (test_tokens / 5 - 1 - 6)))
evaluate 1 --run run --like-scripts
equal "like the scripts, history handed on" "$(figure tokens)" $((5 * (test_tokens / 5 - 1)))
evaluate 1 --run run --precision float32
near "in float32" "$(figure loss_nats_per_token)" "$(evaluate 1 --run run && figure loss_nats_per_token)" 1e-5

# what would be lost or cannot be
refuse 73 "there is something already" "$trellis" evaluate --run run --data text --log-probabilities one.tsv
refuse 74 "cannot be written" "$trellis" evaluate --run run --data text --log-probabilities nowhere/one.tsv
refuse 74 "standard output" sh -c '"$0" evaluate --run run --data text > /dev/full' "$trellis"
"$trellis" evaluate --run run --data text --split train --window 1 --log-probabilities cut.tsv > cut.out 2>&1 & cut=$!
sleep 0.3; kill -TERM $cut 2> /dev/null; wait $cut 2> /dev/null
[ ! -s cut.tsv ] && [ ! -e cut.tsv ] || grep -q scored cut.out || fail "an evaluation that was cut off left a list"
refuse 2 "--like-scripts has no --context" "$trellis" evaluate --run run --data text --like-scripts --context 3
refuse 78 "10 discarded steps in windows of 10 steps" "$trellis" evaluate --run run --data text --discard 10
refuse 2 "give either --run or --checkpoint" "$trellis" evaluate --run run --data text --checkpoint run

# a classifier: every sequence, on any number of ranks, whatever the lanes
sequences images 46
data=images
expect 0 train 1 classified "${classifier[@]}" train.steps=60 optimizer.learning_rate=0.02 valid.every=20
for count in 1 3; do
  for lanes in 0 4 40; do
    expect 0 ranks "$count" "$trellis" evaluate --data images --run classified --json --lanes "$lanes"
    equal "sequences" "$(figure sequences)" 31
    accuracy=$(figure accuracy)
    near "accuracy" "$accuracy" "${first_accuracy:=$accuracy}" 1e-14
    near "loss" "$(figure loss_nats_per_sequence)" "${first_loss:=$(figure loss_nats_per_sequence)}" 1e-12
  done
done
awk -v a="$accuracy" 'BEGIN { exit !(a > 0.9) }' || fail "where the bright steps lie was not learnt: $accuracy"
expect 0 "$trellis" evaluate --data images --run classified
says "test: 31 sequences"
says "accuracy    "
refuse 78 "train.window is 7, but the corpus has 12 steps a sequence" train 1 window "${classifier[@]}" train.steps=1 train.window=7
refuse 2 "are for texts" "$trellis" evaluate --data images --run classified --context 3
refuse 65 "the corpus holds a text of 61 words, the network was trained on sequences of 12 steps" "$trellis" evaluate --data text --run classified
refuse 65 "the network was trained on a text of 61 words" "$trellis" evaluate --data images --run run
data=text

# all weights zero: every word is equally likely, and the loss is ln V
expect 0 train 1 uniform train.steps=1 model.cutoffs= model.kernel_std=0 model.embedding_range=0 optimizer.name=sgd optimizer.learning_rate=1e-300
words=$(sed -n 's/.*"words": \([0-9]*\),.*/\1/p' text/manifest.json)
uniform=$(awk -v n="$words" 'BEGIN { printf "%.17g", log(n) }')
near "untrained, in training" "$(steps_of uniform | sed 's/1 //')" "$uniform" 1e-14
evaluate 1 --run uniform
near "untrained, evaluated" "$(figure loss_nats_per_token)" "$uniform" 1e-14
near "untrained: perplexity" "$(figure perplexity)" "$words" 1e-13

finish "evaluated"
