#!/bin/bash
# trellis plan: lists every mesh, best first, for people and for programs; keeps to what [mesh] says; measures; and refuses what
# cannot be planned, with what to change.
# shellcheck disable=SC2034,SC2154
source "$(dirname "${BASH_SOURCE[0]}")/../train/run_helpers.sh"

corpus text 1500
plan() { timeout "$limit" "$trellis" plan --config small.ini "$@"; }
# bad CODE TEXT FLAG...
bad() { refuse "$1" "$2" "$trellis" plan --config small.ini "${@:3}"; }

# --- the table ---
expect 0 plan --ranks 4 --vocabulary 61
says "step       70 tokens: 7 lanes x 10 steps"
says "meshes     9 of 4 ranks"  # 1 x 4, 2 x 2, 4 x 1 with 1, 2 or 4 ranks that share the vocabulary
says "assumed; --measure takes those of this machine"
says "The first: "
expect 0 plan --ranks 4 --data text --top 1
[ "$(grep -cE '^ +[0-9]+ +[0-9]+ x ' output)" = 1 ] || fail "--top 1 lists more than one mesh"
expect 0 plan --ranks 4 --vocabulary 61 --device-memory 1000
says "too large"

# --- JSON: all meshes, sorted, whose parts add up ---
plan --ranks 4 --data text --json mesh.pipeline=2 > pipeline.json || fail "no JSON"
plan --ranks 1 --data text --json > one.json || fail "no JSON for one rank"
"$python" - << 'PYTHON' || fail "the JSON is not right"
import json
plan, one = json.load(open("pipeline.json")), json.load(open("one.json"))
assert plan["ranks"] == 4 and plan["tokens_per_step"] == 70 and not plan["rates"]["measured"]
assert plan["network"]["flops_per_token"] == 3 * plan["network"]["forward_flops_per_token"]
meshes = plan["meshes"]
assert [(m["data"], m["pipeline"]) for m in meshes] == [(2, 2)] * 3, meshes
assert sorted(m["vocabulary"] for m in meshes) == [1, 2, 4]
times = [m["step_seconds"] for m in meshes]
assert times == sorted(times)
for m in meshes + one["meshes"]:
    assert abs(sum(m["seconds"].values()) - m["step_seconds"]) < 1e-9
    assert sum(m["memory_bytes"].values()) == m["memory_total_bytes"]
    assert sum(m["sent_bytes"].values()) == sum(f["sent_bytes"] for f in m["traffic"])
    assert abs(m["tokens_per_second"] - 70 / m["step_seconds"]) < 1e-6 * m["tokens_per_second"]
assert one["meshes"][0]["efficiency"] == 1 and one["meshes"][0]["traffic"] == []
PYTHON

# --- how long a pass and the run take: from the corpus and the limits, in the table and for programs ---
expect 0 plan --ranks 2 --data text train.epochs=3 valid.every=10
says "run        the run ends at step 72 (train.epochs=3), after 3 passes; a pass has 24 steps"
says "memory     pass      run"
expect 0 plan --ranks 2 --vocabulary 61
says "memory     pass      run"
plan --ranks 1 --data text --json train.steps=100 valid.every=50 > length.json || fail "no JSON"
plan --ranks 1 --vocabulary 61 --json > unknown.json || fail "no JSON without a corpus"
"$python" - << 'PYTHON' || fail "the JSON's lengths are not right"
import json
known, unknown = json.load(open("length.json")), json.load(open("unknown.json"))
assert known["steps_per_pass"] == 24 and known["run_steps"] == 100
mesh = known["meshes"][0]
steps = 100 * mesh["step_seconds"]
assert steps < mesh["run_seconds"] < 1.5 * steps, mesh
assert abs(mesh["pass_seconds"] - 24 * mesh["step_seconds"]) < 1e-9, mesh
assert unknown["steps_per_pass"] is None and unknown["run_steps"] is None and unknown["meshes"][0]["run_seconds"] is None
PYTHON

# --- thousands of ranks, in less than a second of work ---
start=$(date +%s%N)
expect 0 plan --ranks 4096 --vocabulary 100000 --ranks-per-node 8 train.lanes=4096 model.levels=64 auxiliary.every=16
took=$((($(date +%s%N) - start) / 1000000))
[ "$took" -lt 5000 ] || fail "4096 ranks took $took ms"

# --- measured, by one process and by two under mpirun ---
expect 0 plan --ranks 2 --data text --measure
says "measured here"
expect 0 ranks 2 "$trellis" plan --config small.ini --data text --measure train.threads=1
says "meshes     4 of 2 ranks"
says "program "

# --- refused ---
refuse 2 "--config is missing" "$trellis" plan --ranks 2 --vocabulary 61
bad 2 "--ranks is missing" --vocabulary 61
bad 2 "--ranks is '0.5', expected" --ranks 0.5 --vocabulary 61
bad 2 "neither --data nor --vocabulary is given" --ranks 2
bad 2 "--data and --vocabulary exclude each other" --ranks 2 --vocabulary 61 --data text
bad 2 "--device-memory is -5, expected" --ranks 2 --vocabulary 61 --device-memory=-5
bad 2 "--flops is -1, expected a number above 0" --ranks 2 --vocabulary 61 --flops=-1
bad 2 "--device-memory is 'nan', expected" --ranks 2 --vocabulary 61 --device-memory nan
bad 2 "unknown flag '--rank', did you mean '--ranks'?" --rank 2 --vocabulary 61
bad 66 "nowhere" --ranks 2 --data nowhere
bad 78 "model.task is classifier" --ranks 2 --vocabulary 61 "${classifier[@]}"
bad 78 "29 ranks, but no mesh gives each a level and a lane: 4 levels make at most 4 stages, 7 lanes at most 7 replicas" --ranks 29 --vocabulary 61
says "use 28 ranks"
bad 78 "mesh.pipeline is 3, but 4 ranks are running" --ranks 4 --vocabulary 61 mesh.pipeline=3
bad 78 "mesh.pipeline is 5, but the network has 4 levels" --ranks 5 --vocabulary 61 mesh.pipeline=5
bad 78 "which makes 6 ranks, but 4 are running" --ranks 4 --vocabulary 61 mesh.data=3 mesh.pipeline=2
bad 78 "cutoff 30 does not lie between" --ranks 2 --vocabulary 20

finish "$refused wrong plans refused, the others listed"
