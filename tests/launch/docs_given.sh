#!/usr/bin/env bash
# usage: docs_given.sh DOCUMENT - in the present folder, what the commands of a document presume: small texts, images, corpora and runs under
# the names that it uses. BUILD_BIN: the folder of the programs.
set -euo pipefail
bin=$BUILD_BIN
export OMP_NUM_THREADS=1

# words FILE COUNT SEED: lines of words with Zipf's frequencies
words() {
  awk -v count="$2" -v x="$3" 'BEGIN {
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

{ echo "In the beginning was the word"; words /dev/stdout 24000 1; } >train.txt
words valid.txt 2000 2
words test.txt 2000 3
mkdir -p data runs
case $1 in
  README.md)
    images train 60
    ;;
  docs/configurations.md)
    text_corpus ptb word
    ;;
  docs/formats.md) ;;
  docs/results.md)
    text_corpus ptb-char char
    text_corpus ptb-few word
    text_corpus wikitext-2 word
    images train 60
    images test 20
    "$bin/trellis-preprocess" images --format idx --train train-images --train-labels train-labels --test test-images --test-labels test-labels \
      --hold-out 20 --output data/mnist
    ;;
esac
