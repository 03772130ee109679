#!/usr/bin/env bash
# trellis checkpoint: weights go out and come in again bit for bit, for every kind of network, on any number of ranks; a run
# that begins with them evaluates, generates, trains and resumes; an LSTM's weights give what the LSTM gives; and how it ends
# when something is wrong.
# Weights say which network they are of: into another one they go only by --allow, and what a file does not say is told.
# shellcheck disable=SC2034,SC2154
source "$(dirname "${BASH_SOURCE[0]}")/../train/run_helpers.sh"

import() { timeout "$limit" "$trellis" checkpoint import --config small.ini "$@"; }
export_() { timeout "$limit" "$trellis" checkpoint export "$@"; }
same() { cmp -s "$2" "$3" || fail "$1: $2 and $3 differ"; }
loss_of() { "$trellis" evaluate "$@" --json 2> /dev/null | sed -n 's/.*"loss_nats_per_[a-z]*":\([^,}]*\).*/\1/p'; }
# equal_loss WHAT ONE OTHER
equal_loss() { if [ -z "$2" ] || [ "$2" != "$3" ]; then fail "$1: loss '$2' and '$3'"; fi; }

# rewritten FROM TO HOW: bare: without metadata; doubled: every tensor under all its names; torn: so, but of the last one value differs
rewritten() {
  "$python" - "$@" << 'PYTHON' || fail "$2 could not be made"
import json, struct, sys
source, target, how = sys.argv[1:4]
raw = open(source, "rb").read()
end = 8 + struct.unpack("<Q", raw[:8])[0]
header, body = json.loads(raw[8:end]), bytearray(raw[end:])
metadata = header.pop("__metadata__")
for alias, name in sorted(metadata.items()):
    if how == "bare" or name not in header: continue
    begin, stop = header[name]["data_offsets"]
    header[alias] = {**header[name], "data_offsets": [len(body), len(body) + stop - begin]}
    body += body[begin:stop]
if how == "torn": body[-1] ^= 1
if how != "bare": assert len(header) > len(json.loads(raw[8:end])) - 1
if how != "bare": header["__metadata__"] = metadata
text = json.dumps(header).encode()
open(target, "wb").write(struct.pack("<Q", len(text)) + text + body)
PYTHON
}

corpus word 1500
sequences images 90

# --- out and in: adaptive softmax in float64, mixture in float32, classifier, averages ---
round_trip() {
  local name=$1 corpus_of=$2
  shift 2
  data=$corpus_of
  expect 0 train 1 "$name" train.steps=12 "$@"
  expect 0 export_ --run "$name" --weights "$name.safetensors"
  expect 0 import --data "$corpus_of" --run "$name.again" --weights "$name.safetensors" "$@"
  holds_only "$name.again" checkpoints settings.ini run.lock
  expect 0 export_ --run "$name.again" --weights "$name.again.safetensors"
  "$python" - "$name.safetensors" "$name.again.safetensors" << 'PYTHON' || fail "$name: the weights differ"
import json, struct, sys
def tensors(name):
    data = open(name, "rb").read()
    end = 8 + struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:end])
    metadata = header.pop("__metadata__")
    assert metadata["format"] == "pt" and "model.levels" in metadata, metadata
    ranges = [tuple(t["data_offsets"]) for t in header.values()]
    assert len(set(data[end + a:end + b] for a, b in ranges if b - a > 512)) == len([1 for a, b in ranges if b - a > 512]), "a tensor is there twice"
    return {n: (t["dtype"], t["shape"], data[end + t["data_offsets"][0]:end + t["data_offsets"][1]]) for n, t in header.items()}
one, other = map(tensors, sys.argv[1:3])
assert len(one) > 4 and one == other
PYTHON
  equal_loss "$name" "$(loss_of --run "$name" --which best --data "$corpus_of")" "$(loss_of --run "$name.again" --data "$corpus_of")"
}
round_trip adaptive word
round_trip mixture word "${mixture[@]}" train.precision=float32
round_trip classifier images "${classifier[@]}"
round_trip averaged word optimizer.name=sgd optimizer.averaging=always optimizer.learning_rate=1

# --- what a run that begins with weights is good for, and any number of ranks ---
data=word
expect 0 "$trellis" generate --run adaptive.again --data word --tokens 5
expect 0 ranks 2 "$trellis" checkpoint import --config small.ini --data word --run on2 --weights adaptive.safetensors
same "two ranks" adaptive.again/checkpoints/step-0000000000/state.h5 on2/checkpoints/step-0000000000/state.h5
expect 0 ranks 2 "$trellis" checkpoint export --run on2 --weights on2.safetensors
same "exported by two ranks" adaptive.again.safetensors on2.safetensors
expect 0 "$trellis" train --data word --run on2 --resume auto train.steps=3
expect 0 train 1 begun --init-from adaptive.again/checkpoints/step-0000000000 train.steps=3
[ "$(steps_of on2)" = "$(steps_of begun)" ] || fail "resumed and begun from the same weights: $(steps_of on2) and $(steps_of begun)"
[ "$(steps_of on2 | wc -l)" = 3 ] || fail "not three steps"

# --- rows in another order: sorted by name instead of count ---
"$python" - word adaptive.safetensors << 'PYTHON' || fail "the file could not be made"
import h5py, json, struct, sys
corpus, name = sys.argv[1:3]
with h5py.File(corpus + "/vocabulary.h5") as file:
    data, ends = file["word_bytes"][:].tobytes(), file["word_offsets"][:]
words = [data[a:b].decode() for a, b in zip(ends[:-1], ends[1:])]
raw = open(name, "rb").read()
end = 8 + struct.unpack("<Q", raw[:8])[0]
header = json.loads(raw[8:end])
del header["__metadata__"]  # which name the words that the rows were of
cuts = [0, 10, 30, len(words)]  # small.ini: clusters keep their words
order = [i for a, b in zip(cuts[:-1], cuts[1:]) for i in sorted(range(a, b), key=lambda i: words[i])]
assert order != sorted(order)
body = bytearray(raw[end:])
for tensor in ("encoder.weight", "decoder.bias"):
    a, b = header[tensor]["data_offsets"]
    row = (b - a) // len(words)
    body[a:b] = b"".join(raw[end + a + i * row:end + a + (i + 1) * row] for i in order)
text = json.dumps(header).encode()
open("sorted.safetensors", "wb").write(struct.pack("<Q", len(text)) + text + body)
open("words.txt", "w").write("".join(w + "\n" for w in words))
open("sorted.txt", "w").write("".join(words[i] + "\n" for i in order))
open("swapped.txt", "w").write("".join(w + "\n" for w in words[1:10] + words[10:11] + words[:1] + words[11:]))
PYTHON
expect 0 import --data word --run sorted --weights sorted.safetensors --words sorted.txt
says "warning: sorted.safetensors does not say all that its network is"
says "model.levels=4, model.dilations=1, model.injection_every=1, model.cutoffs=10,30 as the settings have it"
grep -q "order of its words" output && fail "the words are named, and yet unknown"
expect 0 import --data word --run named --weights adaptive.safetensors --words words.txt
grep -q "warning" output && fail "all is known, and yet: $(cat output)"
refuse 65 "vocabulary.hash:" import --data word --run none --weights adaptive.safetensors --words sorted.txt
same "rows in another order" adaptive.again/checkpoints/step-0000000000/state.h5 sorted/checkpoints/step-0000000000/state.h5
refuse 65 "in another cluster of the adaptive softmax" import --data word --run none --weights sorted.safetensors --words swapped.txt
refuse 65 "is not in the corpus's vocabulary" import --data word --run none --weights sorted.safetensors --words word.train

# --- an LSTM of two layers, with an embedding: its own arithmetic, written plainly ---
lstm=(model.weight_norm=false model.hidden=24 model.outputs=12 model.groups=2 model.levels=11 model.cutoffs= auxiliary.every=0 auxiliary.weight=0)
"$python" - word << 'PYTHON' || fail "the LSTM could not be made"
import glob, h5py, json, numpy, struct, sys
rng = numpy.random.default_rng(3)
d, layers = 12, 2
with h5py.File(sys.argv[1] + "/vocabulary.h5") as file:
    V = len(file["word_offsets"]) - 1
tensors = {"encoder.weight": rng.normal(size=(V, d)), "decoder.bias": rng.normal(size=V)}
for l in range(layers):
    for name, shape in (("weight_ih", (4 * d, d)), ("weight_hh", (4 * d, d)), ("bias_ih", 4 * d), ("bias_hh", 4 * d)):
        tensors[f"rnn.{name}_l{l}"] = rng.normal(size=shape) * 0.5
header, body = {}, b""
for name, tensor in tensors.items():
    data = tensor.astype("<f8").tobytes()
    header[name] = {"dtype": "F64", "shape": list(tensor.shape), "data_offsets": [len(body), len(body) + len(data)]}
    body += data
text = json.dumps(header).encode()
open("lstm.safetensors", "wb").write(struct.pack("<Q", len(text)) + text + body)

tokens = []
for shard in sorted(glob.glob(sys.argv[1] + "/test-*.h5")):
    with h5py.File(shard) as file:
        tokens += list(file["tokens"][:])
sigmoid = lambda x: 1 / (1 + numpy.exp(-x))
h, c, loss = numpy.zeros((layers, d)), numpy.zeros((layers, d)), 0.0
for token, target in zip(tokens[:-1], tokens[1:]):
    x = tensors["encoder.weight"][token]
    for l in range(layers):
        a = sum(tensors[f"rnn.weight_{n}_l{l}"] @ v + tensors[f"rnn.bias_{n}_l{l}"] for n, v in (("ih", x), ("hh", h[l])))
        i, f, g, o = numpy.split(a, 4)
        c[l] = sigmoid(f) * c[l] + sigmoid(i) * numpy.tanh(g)
        x = h[l] = sigmoid(o) * numpy.tanh(c[l])
    logits = tensors["encoder.weight"] @ x + tensors["decoder.bias"]
    loss += numpy.log(numpy.exp(logits - logits.max()).sum()) + logits.max() - logits[target]
print(f"{loss / (len(tokens) - 1):.17g}", file=open("lstm.loss", "w"))
PYTHON
expect 0 import --data word --run lstm --lstm lstm.safetensors "${lstm[@]}"
says "lstm/checkpoints/step-0000000000"
"$python" -c 'import sys; a, b = map(float, sys.argv[1:]); print(a, b); sys.exit(not abs(a / b - 1) < 1e-12)' "$(loss_of --run lstm --data word)" "$(cat lstm.loss)" ||
  fail "the network's loss $(loss_of --run lstm --data word) is not the LSTM's $(cat lstm.loss)"
expect 0 import --data word --run lstm.dense --lstm lstm.safetensors "${lstm[@]}" model.groups=0 model.kernel=3 model.levels=20
"$python" -c 'import sys; a, b = map(float, sys.argv[1:]); sys.exit(not abs(a / b - 1) < 1e-12)' "$(loss_of --run lstm.dense --data word)" "$(cat lstm.loss)" ||
  fail "dense: the network's loss $(loss_of --run lstm.dense --data word) is not the LSTM's $(cat lstm.loss)"
expect 0 train 1 lstm.on --init-from lstm/checkpoints/step-0000000000 "${lstm[@]}" train.steps=2
refuse 78 "model.levels is 10, but must be at least 11" import --data word --run none --lstm lstm.safetensors "${lstm[@]}" model.levels=10
refuse 78 "model.weight_norm is true, but must be false" import --data word --run none --lstm lstm.safetensors "${lstm[@]}" model.weight_norm=true model.dilations=1,2
says "model.dilations is 1,2, but must be 1"
refuse 78 "must be at least 13" import --data word --run none --lstm lstm.safetensors "${lstm[@]}" valid.window=12
"$python" - << 'PYTHON'
import json, struct
raw = open("lstm.safetensors", "rb").read()
end = 8 + struct.unpack("<Q", raw[:8])[0]
header, kept, body = json.loads(raw[8:end]), {}, b""
for name, tensor in header.items():
    if not name.startswith("rnn."): continue
    a, b = tensor["data_offsets"]
    kept[name[4:]] = {**tensor, "data_offsets": [len(body), len(body) + b - a]}
    body += raw[end + a:end + b]
text = json.dumps(kept).encode()
open("bare.safetensors", "wb").write(struct.pack("<Q", len(text)) + text + body)
PYTHON
expect 0 import --data word --run bare --lstm bare.safetensors "${lstm[@]}"
says "not in bare.safetensors, hence initial values of seed 1: embedding, decoder_bias"

# --- weights are of one network: another one, or other words, only where it is allowed ---
refuse 78 "model.levels: '4' of the weights, '9' here" import --data word --run none --weights adaptive.safetensors model.levels=9 model.dilations=1,2
says "model.dilations: '1' of the weights, '1,2' here"
says "--allow model.levels,model.dilations"
refuse 78 "model.dilations: '1' of the weights" import --data word --run none --weights adaptive.safetensors model.dilations=1,2 --allow model.levels
refuse 78 "model.cutoffs: '10,30' of the weights, '12,30' here" import --data word --run none --weights adaptive.safetensors model.cutoffs=12,30
expect 0 import --data word --run other.depth --weights adaptive.safetensors model.levels=9 model.dilations=1,2 --allow model.levels,model.dilations
says "warning: adaptive.safetensors: model.levels: '4' of the weights, '9' here: allowed by --allow"
refuse 2 "did you mean 'model.levels'?" import --data word --run none --weights adaptive.safetensors --allow model.level
for split in train valid test; do sed 's/w\([0-9]\)/v\1/g' "word.$split" > "other.$split"; done
"$BUILD_BIN/trellis-preprocess" text --train other.train --valid other.valid --test other.test --output other > other.log 2>&1 || fail "no other corpus: $(cat other.log)"
refuse 65 "vocabulary.hash:" import --data other --run none --weights adaptive.safetensors
says "--allow vocabulary"
expect 0 import --data other --run other.words --weights adaptive.safetensors --allow vocabulary
says "vocabulary.hash:"
refuse 65 "is not the one that the network was trained with" "$trellis" evaluate --run adaptive --data other

# a run that begins with another's weights
from=(--init-from adaptive.again/checkpoints/step-0000000000 train.steps=1)
refuse 78 "model.levels: '4' of the weights, '9' here" train 1 none.1 "${from[@]}" model.levels=9
refuse 78 "model.injection_every: '1' of the weights, '2' here" train 1 none.2 "${from[@]}" model.injection_every=2
data=other refuse 65 "vocabulary.hash:" train 1 none.3 "${from[@]}"
expect 0 train 2 allowed "${from[@]}" model.levels=9 --allow model.levels
says "model.levels: '4' of the weights, '9' here: allowed by --allow"
expect 0 train 1 not.drawn "${from[@]}" model.kernel_std=0.3 train.window=9
refuse 2 "--allow is for --init-from" train 1 none.4 train.steps=1 --allow model.levels

# tied tensors under all their names: equal, or refused
rewritten adaptive.safetensors doubled.safetensors doubled
expect 0 import --data word --run doubled --weights doubled.safetensors
same "all names" adaptive.again/checkpoints/step-0000000000/state.h5 doubled/checkpoints/step-0000000000/state.h5
rewritten adaptive.safetensors torn.safetensors torn
refuse 65 "are one tensor, but 1 of" import --data word --run none --weights torn.safetensors

# an export of a time when they did not say what they are
golden=$SOURCE_DIR/tests/train/golden
expect 0 "$trellis" checkpoint import --config "$golden/weights_without_settings.ini" --data "$SOURCE_DIR/tests/corpus/golden/corpus" --run old \
  --weights "$golden/weights_without_settings.safetensors"
says "weights_without_settings.safetensors does not say all that its network is"
says "model.levels=3, model.dilations=1,2, model.injection_every=1, model.cutoffs=2 as the settings have it, and the order of its words"
"$python" -c 'import sys; sys.exit(not abs(float(sys.argv[1]) - 1.326643) < 1e-5)' \
  "$(loss_of --run old --data "$SOURCE_DIR/tests/corpus/golden/corpus" --split valid)" || fail "an old export is another network now"

# --- how it ends ---
good=(import --data word --run none --weights adaptive.safetensors)
rewritten adaptive.safetensors bare.weights bare
rewritten classifier.safetensors bare.classifier bare
bare=(import --data word --run none --weights bare.weights)
refuse 2 "no command given" "$trellis" checkpoint
refuse 2 "unknown command 'exprot', did you mean 'export'?" "$trellis" checkpoint exprot
refuse 2 "give either --weights or --lstm" import --data word --run none
refuse 2 "give either --weights or --lstm" "${good[@]}" --lstm lstm.safetensors
refuse 2 "--data is missing" import --run none --weights adaptive.safetensors
refuse 2 "--run is missing" import --data word --weights adaptive.safetensors
refuse 2 "--words is for texts" import --data images --run none --weights classifier.safetensors --words sorted.txt "${classifier[@]}"
refuse 65 "by its shapes the file is of a network with model.hidden=24" "${bare[@]}" model.hidden=36
refuse 65 "\"criterion.tail_vectors\" is not of this network" "${bare[@]}" model.cutoffs=
refuse 65 "model.task=language_model" import --data images --run none --weights bare.weights "${classifier[@]}"
refuse 65 "there is no 'weight_ih_l0'" import --data word --run none --lstm adaptive.safetensors "${lstm[@]}"
refuse 66 "nowhere" import --data word --run none --weights nowhere
refuse 78 "the corpus holds labelled sequences" import --data images --run none --weights adaptive.safetensors
refuse 73 "already holds a run" import --data word --run adaptive --weights adaptive.safetensors
head -c 5000 adaptive.safetensors > cut.safetensors
refuse 65 "cut.safetensors" import --data word --run none --weights cut.safetensors
[ ! -e none ] || fail "a refused import left $(find none)"
refuse 73 "adaptive.safetensors" export_ --run adaptive --weights adaptive.safetensors
refuse 74 "nowhere" export_ --run adaptive --weights nowhere/file
refuse 2 "--weights is missing" export_ --run adaptive
refuse 2 "give either --run or --checkpoint" export_ --weights none
refuse 66 "there is no such run" export_ --run nowhere --weights none
expect 0 "$trellis" checkpoint import --help && says "model.levels at least train.window + layers - 1"
expect 0 "$trellis" checkpoint export --help && says "paper's authors"

finish "out and in again; an LSTM's loss; $refused wrong requests refused"
