#!/bin/bash
# --profile: a timeline of all ranks that changes no loss, also where the run begins or ends within it.
# shellcheck disable=SC2034,SC2154
source "$(dirname "${BASH_SOURCE[0]}")/run_helpers.sh"

corpus text 640
data=text

# timeline FILE RANKS FIRST LAST NAME...: JSON whose spans nest and rise, with whole steps of every rank, and these names
timeline() {
  "$python" - "$@" << 'PYTHON' || fail "$1 is no good timeline"
import json, sys
file, ranks, first, last, wanted = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), sys.argv[5:]
trace = json.load(open(file))
facts = trace["otherData"]
assert (facts["first_step"], facts["last_step"], facts["ranks"], facts["dropped_spans"]) == (first, last, ranks, [0] * ranks), facts
events = trace["traceEvents"]
names = {e["pid"]: e["args"]["name"] for e in events if e["name"] == "process_name"}
assert sorted(names) == list(range(ranks)) and all(names[r].startswith(f"rank {r} (") for r in names), names
threads = {(e["pid"], e["tid"]): e["args"]["name"] for e in events if e["name"] == "thread_name"}
assert all(threads[r, 0] == "training" for r in range(ranks)), threads
open_ends, begun = {}, {}
for e in events:
    if e["ph"] != "X":
        continue
    track, begin, end = (e["pid"], e["tid"]), e["ts"], e["ts"] + e["dur"]
    assert track in threads and begin >= begun.get(track, 0) and e["dur"] >= 0, e
    begun[track] = begin
    ends = open_ends.setdefault(track, [])
    while ends and ends[-1] <= begin + 1e-4:
        ends.pop()
    assert not ends or end <= ends[-1] + 1e-4, e
    ends.append(end)
for rank in range(ranks):
    spans = [e for e in events if e["ph"] == "X" and e["pid"] == rank]
    steps = [e["args"]["step"] for e in spans if e["name"] == "step"]
    assert steps == list(range(first, last + 1)), steps
    assert "read a batch" not in wanted or all(threads[rank, e["tid"]] == "reader" for e in spans if e["name"] == "read a batch"), threads
    missing = set(wanted) - {e["name"] for e in spans}
    assert not missing, f"rank {rank} has no {missing}"
    for name in set(wanted) & {"pre-activations", "gates", "gates backward"}:
        levels = {e["args"]["level"] for e in spans if e["name"] == name}
        assert levels == {0, 1, 2, 3}, (name, levels)
    reductions = [e["args"]["bytes"] for e in spans if e["name"] == "gradient reduction"]
    assert len(reductions) == (len(steps) if ranks > 1 else 0) and all(b > 0 for b in reductions), reductions
PYTHON
}
losses() { sed -nE 's/.*"event":"(step|validation)".*("loss_nats":[^,]*),.*/\1 \2/p' "$1/metrics.jsonl"; }

every=(step "wait for data" "read a batch" "mask drawing" "effective kernels" embedding injection pre-activations gates loss softmax
  "gates backward" "kernel gradient" "hidden gradient" "injection backward" "embedding backward" "finish gradients" "gradient norm" update
  validation checkpoint)

for count in 1 2; do
  expect 0 train "$count" "plain.$count" train.steps=9 valid.every=6 checkpoint.every=6
  expect 0 train "$count" "profiled.$count" train.steps=9 valid.every=6 checkpoint.every=6 --profile 4:6
  says "profile of steps 4 to 6 in profiled.$count/profile/steps-4-6.json"
  [ "$(grep -c '^ *[0-9.]* % ' output)" = 10 ] || fail "the table has not ten lines"
  holds_only "profiled.$count/profile" steps-4-6.json
  timeline "profiled.$count/profile/steps-4-6.json" "$count" 4 6 "${every[@]}"
  diff <(losses "plain.$count") <(losses "profiled.$count") > difference || { fail "$count rank(s): the profile changes losses"; head -n 4 difference; }
  cmp "plain.$count/checkpoints/step-0000000009/state.h5" "profiled.$count/checkpoints/step-0000000009/state.h5" || fail "$count rank(s): the profile changes weights"
  [ -e "plain.$count/profile" ] && fail "a folder for profiles without a profile"
done

# steps that the run does not come by
expect 0 train 2 beyond train.steps=4 --profile 3:8
says "warning: of steps 3 to 8 only steps 3 to 4 will be profiled: the run ends with step 4"
[ "$(grep -c 'only steps' output)" = 1 ] || fail "two ranks: not one warning"
timeline beyond/profile/steps-3-4.json 2 3 4 step
expect 0 train 1 beyond --resume auto train.steps=6 --profile 3:5
says "of steps 3 to 5 only step 5 will be profiled: the run goes on from step 4"
timeline beyond/profile/steps-5-5.json 1 5 5 step
expect 0 train 1 beyond --resume auto train.steps=7 --profile 3:5
says "nothing is profiled: the run goes on from step 6, behind steps 3 to 5"
expect 0 train 1 beyond --resume auto train.steps=8 --profile 9:9
says "nothing is profiled: the run ends with step 8, before step 9"
holds_only beyond/profile steps-3-4.json steps-5-5.json

# a stop that nobody foresaw; and the same steps again, whose timeline stays beside the first
expect 75 train 1 stopped train.steps=100000000 train.seconds=0.3 --profile 2:100000000
says "the profile holds no later steps"
last=$(last_step_of stopped)
timeline "stopped/profile/steps-2-$last.json" 1 2 "$last" step
expect 75 train 1 before train.steps=100000000 train.seconds=0.3 --profile 90000000:90000001
says "nothing was profiled: the run ends with step"
expect 0 train 1 again train.steps=6 checkpoint.every=2 checkpoint.keep=5 --profile 4:5
expect 0 train 1 again --resume again/checkpoints/step-0000000002 train.steps=6 --profile 4:5
says "again/profile/steps-4-5.2.json"
timeline again/profile/steps-4-5.2.json 1 4 5 step
holds_only again/profile steps-4-5.json steps-4-5.2.json

# a classifier and a mixture of softmaxes
expect 0 train 1 mixture train.steps=3 --profile 2:2 "${mixture[@]}"
timeline mixture/profile/steps-2-2.json 1 2 2 step mixture loss "hidden gradient"
sequences images 46
data=images
expect 0 train 2 images.run train.steps=3 --profile 2:2 "${classifier[@]}"
timeline images.run/profile/steps-2-2.json 2 2 2 step pre-activations gates "gates backward" "kernel gradient" "hidden gradient"

# wrong words, and a place that cannot be written
data=text
refuse 2 "--profile is '5', expected A:B" train 1 new train.steps=2 --profile 5
refuse 2 "--profile is 'a:b', expected A:B" train 2 new train.steps=2 --profile a:b
refuse 2 "--profile begins with step 0" train 1 new train.steps=2 --profile 0:3
refuse 2 "--profile ends with step 3, before its first, 4" train 1 new train.steps=2 --profile 4:3
[ -e new ] && fail "a wrong --profile makes a run folder"
mkdir taken && touch taken/profile
refuse 74 "cannot make the folder for profiles" train 2 taken train.steps=2 --profile 1:2

finish "profiles of all kinds"
