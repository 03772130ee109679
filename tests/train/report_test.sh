#!/bin/bash
# What a run tells of itself is true: lines and metrics are means over their steps, every step is in exactly one; epochs are counted
# alike; the limit that ends the run is named and the command line's counts; the time of the whole run is told; the end is summed up
# with commands that work; and a terminal has its bar under mpirun, too.
# shellcheck disable=SC2034,SC2154
source "$(dirname "${BASH_SOURCE[0]}")/run_helpers.sh"

corpus text 640  # a pass is 10 steps
data=text
sequences pictures 50

# --- means, every step once ---
expect 0 train 1 each train.steps=26 valid.every=9 checkpoint.every=7
cp output each.log
expect 0 train 1 means train.steps=26 valid.every=9 checkpoint.every=7 log.every=4
cp output means.log
expect 0 train 2 ranks train.steps=26 valid.every=9 checkpoint.every=7 log.every=4
expect 0 train 1 first train.steps=9 log.every=4 valid.every=9
expect 0 train 1 first train.steps=26 valid.every=9 log.every=4 --resume auto
data=pictures
expect 0 train 1 each.pictures "${classifier[@]}" train.steps=20 valid.every=9
expect 0 train 1 means.pictures "${classifier[@]}" train.steps=20 valid.every=9 log.every=6
data=text
"$python" - << 'PYTHON' || fail "the means are not those of the steps"
import json

def steps(run):
    return [e for e in map(json.loads, open(run + "/metrics.jsonl")) if e["event"] == "step"]

def check(run, each, expected_steps, scored):
    single, lines = {e["step"]: e for e in steps(each)}, steps(run)
    assert [e["step"] for e in lines] == expected_steps, [e["step"] for e in lines]
    before, scored_before = 0, 0
    for line in lines:
        assert line["schema"] == 2
        assert line["steps"] == line["step"] - before, (run, line)
        of = [single[s] for s in range(before + 1, line["step"] + 1)]
        weights = []
        for one in of:
            weights.append(one[scored] - scored_before)
            scored_before = one[scored]
        assert scored_before == line[scored]
        for key in ("loss_nats", "aux_loss", "accuracy"):
            if key not in line:
                continue
            mean = sum(w * one[key] for w, one in zip(weights, of)) / sum(weights)
            assert abs(line[key] - mean) < 1e-9 * max(1, abs(mean)), (run, line["step"], key, line[key], mean)
        norms = [one["gradient_norm"] for one in of]
        assert abs(line["gradient_norm"] - sum(norms) / len(norms)) < 1e-9
        assert abs(line["largest_gradient_norm"] - max(norms)) < 1e-9
        before = line["step"]

# every fourth; before the validations at 9 and 18, the checkpoints at 7, 14 and 21, and the end
check("means", "each", [4, 7, 8, 9, 12, 14, 16, 18, 20, 21, 24, 26], "tokens")
check("ranks", "each", [4, 7, 8, 9, 12, 14, 16, 18, 20, 21, 24, 26], "tokens")
check("first", "each", [4, 8, 9, 12, 16, 18, 20, 24, 26], "tokens")
check("means.pictures", "each.pictures", [6, 9, 12, 18, 20], "sequences")
assert all(e["steps"] == 1 and e["gradient_norm"] == e["largest_gradient_norm"] for e in steps("each"))
# passes: the step that ends one counts it as finished, as validation and the checkpoints do
passes = {e["step"]: (e["epoch"], e["window"]) for e in steps("each")}
assert passes[9] == (0, 9) and passes[10] == (1, 0) and passes[11] == (1, 1) and passes[20] == (2, 0), passes
PYTHON
grep -q '^step 10/26 epoch 1 ' each.log || fail "step 10 belongs to the first pass: $(grep '^step 10/' each.log)"
grep -q '^step 11/26 epoch 2 ' each.log || fail "step 11 belongs to the second pass"

# --- which limit ends the run, and when ---
grep -qF "the run ends at step 26 (train.steps=26), after 2.6 passes; a pass has 10 steps" means.log || fail "the end is not told: $(cat means.log)"
grep -qE "^about [0-9.smh]+ for the whole run \(26 steps of [0-9.]+m?s, 2 validations of about [0-9.]+m?s\), ends about " means.log || fail "the time is not told: $(cat means.log)"
printf '%s\n' '[train]' 'steps = 5' > short.ini
expect 0 timeout "$limit" "$trellis" train --config small.ini --config short.ini --data text --run passes train.epochs=1
says "train.steps=5 (short.ini:2) gives way to train.epochs=1 (command line)"
says "the run ends at step 10 (train.epochs=1), after 1 pass"
says "finished at step 10 (epochs)"
says "validation at step 10, after epoch 1: loss "
expect 0 "$trellis" train --config small.ini --config short.ini train.epochs=1 --print-config
says "# train.epochs counts instead (command line)"
expect 0 train 1 both train.steps=5 train.epochs=3
says "after 0.5 passes; a pass has 10 steps; train.epochs=3 would be step 30"

# --- the end is summed up, with commands that work as they stand ---
# run_line LABEL: runs the command of the last output's line with this label
run_line() {
  local line
  line=$(sed -n "s/^  $1 *//p" output)
  [ -n "$line" ] || { fail "no line '$1' in the summary"; cat output; return 1; }
  printf 'set -o pipefail\n%s\n' "$line" > command.sh
  cp output "summary.$1"
  expect 0 timeout "$limit" bash command.sh
}
expect 0 train 1 "a run's folder" train.steps=12 valid.every=5
says "  best     validation loss "
says "  took     "
run_line evaluate && says "perplexity"
cp summary.evaluate output
run_line generate
cp summary.evaluate output
run_line "train on" && says "finished at step 24 (steps)"
expect 75 train 2 stopped train.steps=100000000 train.seconds=1
says "stopped at step"
says "  newest   stopped/checkpoints/step-"
grep -q "^  go on    mpirun -n 2 .*trellis train --resume auto --run stopped --data text$" output || fail "how to go on is not told: $(cat output)"

# --- a terminal has its bar and its lines, with mpirun between, too ---
# terminal COMMAND...: on a terminal of 70 columns; what appears there goes to output
terminal() {
  TERM=xterm timeout "$limit" "$python" - "$@" > output << 'PYTHON'
import fcntl, os, pty, struct, sys, termios
pid, main = pty.fork()
if pid == 0:
    fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 70, 0, 0))
    os.execvp(sys.argv[1], sys.argv[1:])
while True:
    try:
        block = os.read(main, 65536)
    except OSError:
        break
    if not block:
        break
    os.write(1, block)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
PYTHON
  [ $? = 0 ] || { fail "on a terminal: $*"; cat output; }
}
bar=$'\r''100% \[##*\] 26/26 '
words=(train --config small.ini --data text train.steps=26 log.every=13)
for count in 1 2; do
  launcher=()
  [ "$count" = 1 ] || launcher=(mpirun -n "$count")
  terminal "${launcher[@]}" "$trellis" "${words[@]}" --run "bar.$count"
  grep -q "$bar" output || { fail "$count ranks: no bar"; cat -v output; }
  tr '\r' '\n' < output | sed 's/\x1b\[K//g' > shown
  grep -q '^step 13/26 epoch 2 ' shown || { fail "$count ranks: the lines are not kept"; cat -v output; }
  grep -q '^  took  ' shown || fail "$count ranks: no summary"
  [ "$(awk '{ if (length($0) > most) most = length($0) } END { print most }' <(grep '^ *[0-9]*% \[' shown))" -le 69 ] || fail "$count ranks: the bar is wider than the terminal"
  terminal "${launcher[@]}" "$trellis" "${words[@]}" --run "lines.$count" --progress lines
  if grep -q '% \[' output; then fail "$count ranks: a bar with --progress lines"; fi
  terminal bash -c "${launcher[*]} $trellis ${words[*]} --run logged.$count 2>&1 | cat"
  if grep -q '% \[' output; then fail "$count ranks: a bar in a pipe"; fi
done
terminal mpirun --tag-output -n 2 "$trellis" "${words[@]}" --run tagged
if grep -q '% \[' output; then fail "a bar between tags"; fi
expect 0 train 1 forced train.steps=3 --progress bar
says "100% ["
refuse 2 "--progress is 'pretty', expected auto, bar or lines" "$trellis" train --config small.ini --data text --run x --progress pretty

# --- hints reach the command line ---
refuse 2 "unknown flag '--epochs', did you mean the setting train.epochs=3, without dashes?" "$trellis" train --config small.ini --epochs 3
refuse 78 "unknown setting 'optimizer.lr', did you mean 'optimizer.learning_rate'?" "$trellis" train --config small.ini --data text --run x optimizer.lr=1
refuse 78 "unknown setting 'train.batch', did you mean 'train.lanes'?" "$trellis" train --config small.ini --data text --run x train.batch=1
printf '%s\n' '[model]' 'levels: 4' > yaml.ini
refuse 78 "did you mean 'levels = 4'?" "$trellis" train --config yaml.ini --data text --run x
refuse 2 "unknown flag '--batch-size', did you mean '--lanes'?" "$trellis" evaluate --batch-size 4
refuse 2 "unknown flag '--out', did you mean '--output'?" "$BUILD_BIN/trellis-preprocess" text --train text.train --out x

finish "what runs tell is true"
