#!/bin/bash
# trellis evaluate: the same figure on any number of ranks, every token but the lanes' first ones scored, the figure of
# validation when asked alike, and ln V for a network that knows nothing.
# shellcheck disable=SC2034,SC2154
source "$(dirname "${BASH_SOURCE[0]}")/run_helpers.sh"

# evaluate RANKS FLAG...: JSON in $work/output
evaluate() {
  local count=$1
  shift
  expect 0 ranks "$count" "$trellis" evaluate --data text --json "$@"
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
  evaluate 1 --run run --lanes "$lanes"
  reference=$(figure loss_nats_per_token)
  equal "$lanes lanes: tokens" "$(figure tokens)" $((lanes * (test_tokens / lanes - 1)))
  equal "$lanes lanes: the best checkpoint" "$(figure step)" 20
  near "$lanes lanes: bits" "$(figure bits_per_token)" "$(awk -v x="$reference" 'BEGIN { printf "%.17g", x / log(2) }')" 1e-14
  near "$lanes lanes: perplexity" "$(figure perplexity)" "$(awk -v x="$reference" 'BEGIN { printf "%.17g", exp(x) }')" 1e-13
  for count in 2 3; do
    evaluate "$count" --run run --lanes "$lanes"
    near "$lanes lanes on $count ranks" "$(figure loss_nats_per_token)" "$reference" 1e-12
    equal "$lanes lanes on $count ranks: tokens" "$(figure tokens)" $((lanes * (test_tokens / lanes - 1)))
    equal "$count ranks: lines of output" "$(wc -l < output)" 1
  done
done

# as validation sees it: the same lanes and window, to the last digit
evaluate 1 --run run --split valid --lanes 5
equal "validation at step 20" "$(figure loss_nats_per_token)" "$best"
equal "split" "$(figure split)" valid
equal "tokens" "$(figure tokens)" $((5 * (valid_tokens / 5 - 1)))
evaluate 1 --run run --split valid --lanes 5 --which newest
equal "validation at step 40" "$(figure loss_nats_per_token)" "$newest"
equal "newest" "$(figure step)" 40
evaluate 1 --checkpoint run/checkpoints/step-0000000040 --split valid --lanes 5
equal "by path" "$(figure loss_nats_per_token)" "$newest"
evaluate 1 --run run --split train
equal "training split" "$(figure tokens)" $(($(tokens_in train) - 1))
evaluate 1 --run run --window 3
equal "window" "$(figure window)" 3
equal "window of 3: tokens" "$(figure tokens)" $((test_tokens - 1))

# as people read it
expect 0 "$trellis" evaluate --data text --run run
says "test: $((test_tokens - 1)) tokens scored (1 lane(s), windows of 10 steps)"
says "a word"

# history discarded: windows overlap, and every token but the first still counts once
expect 0 train 1 discarded train.steps=3 train.discard=4 valid.every=3
for count in 1 3; do
  evaluate "$count" --run discarded --lanes 2
  equal "discarded: tokens" "$(figure tokens)" $((2 * (test_tokens / 2 - 1)))
done
evaluate 1 --run discarded --split valid --lanes 5
equal "discarded: validation" "$(figure loss_nats_per_token)" "$(sed -n 's/.*"event":"validation".*"loss_nats":\([^,]*\),.*/\1/p' discarded/metrics.jsonl)"

# all weights zero: every word is equally likely, and the loss is ln V
expect 0 train 1 uniform train.steps=1 model.cutoffs= model.kernel_std=0 model.embedding_range=0 optimizer.name=sgd optimizer.learning_rate=1e-300
words=$(sed -n 's/.*"words": \([0-9]*\),.*/\1/p' text/manifest.json)
uniform=$(awk -v n="$words" 'BEGIN { printf "%.17g", log(n) }')
near "untrained, in training" "$(steps_of uniform | sed 's/1 //')" "$uniform" 1e-14
evaluate 1 --run uniform
near "untrained, evaluated" "$(figure loss_nats_per_token)" "$uniform" 1e-14
near "untrained: perplexity" "$(figure perplexity)" "$words" 1e-13

finish "evaluated"
