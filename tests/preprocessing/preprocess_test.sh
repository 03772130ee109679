#!/usr/bin/env bash
# trellis-preprocess text as a user meets it: help, exit codes, nothing left behind, real corpora, h5py.
# From ctest: BUILD_BIN, SOURCE_DIR, WORK_DIR. Optional: TRELLIS_REAL_DATA, a folder with the public corpora as .xz files.
set -u
program="${BUILD_BIN:?}/trellis-preprocess"
work="${WORK_DIR:?}/preprocess"
rm -rf "$work" && mkdir -p "$work" && cd "$work" || exit 1
# shellcheck source=script_helpers.sh
source "${SOURCE_DIR:?}/tests/preprocessing/script_helpers.sh"

printf 'a b\nb c\n' > train.txt
printf 'a b\n' > valid.txt
printf 'a d\n' > unseen.txt
printf 'a \377\n' > latin.txt
: > empty.txt

# Command line.
expect 0 "Commands:" "$program" --help
expect 0 "--min-count N" "$program" text --help
expect 0 "trellis-preprocess " "$program" --version
expect 0 "trellis-preprocess " "$program" text --version
expect 2 "no command is given" "$program"
expect 2 "unknown command 'txet', did you mean 'text'?" "$program" txet
expect 2 "unknown flag '--trian', did you mean '--train'?" "$program" text --trian train.txt --output x
expect 2 "--train is missing" "$program" text --output x
expect 2 "--output is missing" "$program" text --train train.txt
expect 2 "--unit is 'words', expected word, char or byte, did you mean 'word'?" "$program" text --train train.txt --output x --unit words
expect 2 "--min-count is 0, expected at least 1" "$program" text --train train.txt --output x --min-count 0
expect 2 "--shard-tokens is 0, expected at least 1" "$program" text --train train.txt --output x --shard-tokens 0
expect 2 "--min-count has no effect beside --vocabulary" "$program" text --train train.txt --output x --min-count 2 --vocabulary y
expect 2 "no text is given" "$program" text --output x --vocabulary y

# Bad input: message, exit code, nothing left.
mkdir out
expect 66 "cannot be read: No such file or directory" "$program" text --train nowhere.txt --output out/x
expect 65 "is a directory, expected a file" "$program" text --train out --output out/x
expect 65 "is empty" "$program" text --train train.txt empty.txt --output out/x
expect 65 "latin.txt: byte 2, line 1" "$program" text --train latin.txt --output out/x
expect 65 "'d' does not occur in the training text" "$program" text --train train.txt --valid unseen.txt --output out/x
expect 65 "is not a regular file" "$program" text --train /dev/null --output out/x
expect 74 "cannot create" "$program" text --train train.txt --output /proc/corpus/x
expect_only out
expect 0 "vocabulary" "$program" text --train train.txt --valid valid.txt --output out/x
expect 73 "the output exists already" "$program" text --train train.txt --output out/x
expect_only out x
expect_only out/x manifest.json vocabulary.h5 train-00000.h5 valid-00000.h5

# A vocabulary in a file: checked against the manifest beside it, and by its structure where it is alone.
expect 0 "vocabulary" "$program" text --train valid.txt --vocabulary out/x/vocabulary.h5 --output out/y
cp -r out/x damaged && cp out/x/vocabulary.h5 alone.h5
printf '\377' | dd of=damaged/vocabulary.h5 bs=1 seek=2040 conv=notrunc status=none
printf '\377' | dd of=alone.h5 bs=1 seek=8 conv=notrunc status=none
expect 65 "is damaged: its hash is" "$program" text --train valid.txt --vocabulary damaged/vocabulary.h5 --output out/z
expect 65 "its superblock has version 255, expected 2" "$program" text --train valid.txt --vocabulary alone.h5 --output out/z
expect 65 "is no HDF5 file" "$program" text --train valid.txt --vocabulary train.txt --output out/z
rm -r out/y damaged alone.h5

# A file size limit and a full disk, met at any place.
awk 'BEGIN { srand(1); for (i = 0; i < 200000; ++i) printf "w%d%s", int(rand() * 9000), i % 9 ? " " : "\n" }' > large.txt
# shellcheck disable=SC2317  # called by name
text_to() { "$program" text --train large.txt --output "$1/x"; }
export -f text_to
export program
expect_write_errors_at_limits text_to 0 1 2 4 64 150 400 700
expect_write_errors_on_disks text_to 4k 8k 12k 100k 200k 500k 900k

# Ctrl-C and SIGTERM: the signal's own exit code, nothing left.
mkdir signalled
for _ in 1 2 3 4 5 6 7 8; do cat large.txt large.txt large.txt large.txt; done > huge.txt
expect_clean_after_signals signalled 0.02 0.1 0.2 -- "$program" text --train huge.txt huge.txt huge.txt huge.txt huge.txt huge.txt huge.txt huge.txt --threads 2 --output signalled/x
# SIGKILL leaves its unfinished directory; the next run removes it.
"$program" text --train huge.txt huge.txt huge.txt huge.txt --output signalled/x 2> said &
process=$!
sleep 0.2
kill -s KILL "$process"
wait "$process" 2>/dev/null
expect 0 "vocabulary" "$program" text --train large.txt --output signalled/x
expect_only signalled x

# Plain h5py reads a corpus.
/usr/bin/python3 - out/x <<'PYTHON' || fail "h5py (package python3-h5py) does not read the corpus as documented"
import json, sys, h5py
corpus = sys.argv[1]
manifest = json.load(open(corpus + "/manifest.json"))
with h5py.File(corpus + "/" + manifest["vocabulary"]["file"], "r") as file:
    data, ends = file["word_bytes"][:].tobytes(), file["word_offsets"][:]
    words = [data[a:b].decode() for a, b in zip(ends[:-1], ends[1:])]
    assert words == ["<eos>", "b", "a", "c"], words
    assert list(file["counts"]) == [2, 2, 1, 1]
tokens = []
for shard in manifest["splits"]["train"]["shards"]:
    with h5py.File(corpus + "/" + shard["file"], "r") as file:
        assert file["tokens"].dtype == "<u4" and file["tokens"].chunks is None
        tokens += list(file["tokens"])
assert [words[t] for t in tokens] == ["a", "b", "<eos>", "b", "c", "<eos>"], tokens
PYTHON

# Real corpora, where they are.
counts() {  # counts NAME FLAGS...: "tokens tokens tokens words" of the corpus made from NAME's splits
  local name="$1" split
  shift
  for split in train valid test; do xz -dc "$TRELLIS_REAL_DATA/$name.$split.txt.xz" > "real.$split.txt" || return 1; done
  "$program" text --train real.train.txt --valid real.valid.txt --test real.test.txt --output "real-$name" "$@" > /dev/null || return 1
  /usr/bin/python3 -c 'import json, sys
m = json.load(open(sys.argv[1]))
print(*[m["splits"][s]["tokens"] for s in ("train", "valid", "test")], m["vocabulary"]["words"])' "real-$name/manifest.json"
}
expect_counts() {
  local expected="$1" found
  shift
  found="$(counts "$@")"
  [ "$found" = "$expected" ] || fail "counts of $*: $found, expected $expected"
}
if [ -n "${TRELLIS_REAL_DATA:-}" ]; then
  expect_counts "2088628 217646 245569 33278" wikitext-2
  expect_counts "929589 73760 82430 10000" ptb
  expect_counts "5017483 393043 442424 50" ptb.char
  rm -rf real-*
fi

rm -f huge.txt
report
