#!/usr/bin/env bash
# usage: docs_given.sh DOCUMENT - in the present folder, what the commands of a document presume: small texts, images, corpora and runs under
# the names that it uses. BUILD_BIN: the folder of the programs.
set -euo pipefail
bin=$BUILD_BIN
export OMP_NUM_THREADS=1

# words FILE COUNT SEED KINDS: lines of words with Zipf's frequencies; each of so many kinds once, and then COUNT
words() {
  awk -v count="$2" -v x="$3" -v kinds="$4" 'BEGIN {
    for (i = 1; i <= kinds; ++i) printf "word%d%s", i, i % 12 && i < kinds ? " " : "\n"
    for (i = 1; i <= count; ++i) {
      x = (x * 16807) % 2147483647
      printf "word%d%s", int(exp(x / 2147483647 * log(400))), i % 12 && i < count ? " " : "\n"
    }
  }' >"$1"
}

# images NAME COUNT: idx files of 28 x 28 pixels and labels of ten classes
images() {
  python3 - "$1" "$2" <<'PYTHON'
import random, struct, sys
name, count = sys.argv[1], int(sys.argv[2])
draw = random.Random(name)
labels = bytes(n % 10 for n in range(count))
open(f"{name}-images", "wb").write(struct.pack(">IIII", 0x803, count, 28, 28) + draw.randbytes(count * 784))
open(f"{name}-labels", "wb").write(struct.pack(">II", 0x801, count) + labels)
PYTHON
}

# text_corpus NAME UNIT
text_corpus() {
  "$bin/trellis-preprocess" text --train train.txt --valid valid.txt --test test.txt --unit "$2" --output "data/$1"
}

# lstm FILE: a PyTorch LSTM of two layers of 16 channels, as safetensors
lstm() {
  python3 - "$1" <<'PYTHON'
import array, json, random, struct, sys
draw, header, data = random.Random(1), {}, b""
for layer in range(2):
    for name, shape in ((f"rnn.weight_ih_l{layer}", [64, 16]), (f"rnn.weight_hh_l{layer}", [64, 16]), (f"rnn.bias_ih_l{layer}", [64]), (f"rnn.bias_hh_l{layer}", [64])):
        count = shape[0] * (shape[1] if len(shape) > 1 else 1)
        values = array.array("f", (draw.uniform(-0.2, 0.2) for _ in range(count))).tobytes()
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [len(data), len(data) + len(values)]}
        data += values
text = json.dumps(header).encode()
open(sys.argv[1], "wb").write(struct.pack("<Q", len(text)) + text + data)
PYTHON
}

words train.txt 24000 1 12000
echo "In the beginning was the word" >>train.txt
words valid.txt 2000 2 0
words test.txt 2000 3 0
mkdir -p data runs
case $1 in
  README.md)
    images train 60
    ;;
  docs/configurations.md)
    text_corpus ptb word
    ;;
  docs/formats.md)
    printf 'the cat sat\nthe dog\nthe sat the\n' >train.txt
    printf 'the cow ran\n' >valid.txt
    python3 - <<'PYTHON'
import struct
for name, count in (("train", 4), ("test", 1)):
    open(f"{name}-images.idx3-ubyte", "wb").write(struct.pack(">IIII", 0x803, count, 2, 3) + bytes(range(6 * count)))
    open(f"{name}-labels.idx1-ubyte", "wb").write(struct.pack(">II", 0x801, count) + bytes(n % 3 for n in range(count)))
PYTHON
    ;;
  docs/parallelism.md)
    text_corpus mine word
    { seq 267740; cat train.txt; } >numbers.txt
    mv numbers.txt train.txt
    text_corpus wt103 word
    ;;
  docs/performance.md)
    text_corpus mine word
    ;;
  docs/results.md)
    text_corpus ptb-char char
    text_corpus ptb-few word
    text_corpus wikitext-2 word
    images train 60
    images test 20
    "$bin/trellis-preprocess" images --format idx --train train-images --train-labels train-labels --test test-images --test-labels test-labels \
      --hold-out 20 --output data/mnist
    ;;
  docs/weights.md)
    words train.txt 2000 1 400
    text_corpus ptb word
    "$bin/trellis" train --config configs/word-ptb-scripts.ini --data data/ptb --run runs/trained train.lanes=2 train.window=4 train.discard=0 \
      train.steps=1 valid.every=100
    lstm lstm.safetensors
    printf '%s\n' '[model]' 'levels = 9' 'hidden = 32' 'outputs = 16' 'embedding = 16' 'groups = 2' 'weight_norm = false' '[train]' 'window = 8' \
      'steps = 10' '[optimizer]' 'learning_rate = 0.001' >lstm.ini
    ;;
esac
