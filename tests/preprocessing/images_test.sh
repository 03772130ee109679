#!/usr/bin/env bash
# trellis-preprocess images as a user meets it: help, flags that do not go together, exit codes, nothing left behind, real
# images, h5py. From ctest: BUILD_BIN, SOURCE_DIR, WORK_DIR. Optional: TRELLIS_REAL_DATA, a folder with MNIST and CIFAR-10 as
# .xz files.
set -u
program="${BUILD_BIN:?}/trellis-preprocess"
work="${WORK_DIR:?}/images"
rm -rf "$work" && mkdir -p "$work" && cd "$work" || exit 1
# shellcheck source=script_helpers.sh
source "${SOURCE_DIR:?}/tests/preprocessing/script_helpers.sh"

# Three images of 2 x 2 pixels with the labels 7, 1, 9; a CIFAR file of two; both with a bad label; and no images at all.
printf '\0\0\10\3\0\0\0\3\0\0\0\2\0\0\0\2abcdefghijkl' > images
printf '\0\0\10\1\0\0\0\3\7\1\11' > labels
printf '\0\0\10\1\0\0\0\3\7\12\11' > bad-labels
{ printf '\3'; head -c 3072 /dev/zero; printf '\11'; head -c 3072 /dev/zero; } > batch.bin
{ printf '\3'; head -c 3072 /dev/zero; printf '\12'; head -c 3072 /dev/zero; } > bad.bin
gzip -k images
idx=("$program" images --format idx) cifar=("$program" images --format cifar)

# Command line.
expect 0 "images" "$program" --help
expect 0 "--hold-out N" "$program" images --help
expect 0 "trellis-preprocess " "$program" images --version
expect 2 "unknown command 'image', did you mean 'images'?" "$program" image
expect 2 "--output is missing" "${idx[@]}" --train images --train-labels labels
expect 2 "--format is missing" "$program" images --train images --train-labels labels --output x
expect 2 "--format is 'cifat', expected idx or cifar, did you mean 'cifar'?" "$program" images --format cifat --train x --output x
expect 2 "no images are given" "${idx[@]}" --output x
expect 2 "--train names 1 files, --train-labels 0" "${idx[@]}" --train images --output x
expect 2 "--train names 1 files, --train-labels 2" "${idx[@]}" --train images --train-labels labels labels --output x
expect 2 "--test names 0 files, --test-labels 1" "${idx[@]}" --train images --train-labels labels --test-labels labels --output x
expect 2 "--train-labels has no place beside --format cifar" "${cifar[@]}" --train batch.bin --train-labels labels --output x
expect 2 "--hold-out and --valid both make the split valid" "${cifar[@]}" --train batch.bin --valid batch.bin --hold-out 1 --output x
expect 2 "--hold-out has no training images to take from" "${cifar[@]}" --test batch.bin --hold-out 1 --output x
expect 2 "--hold-out is 0, expected at least 1" "${cifar[@]}" --train batch.bin --hold-out 0 --output x
expect 2 "--hold-out is 2, but there are only 2 training images" "${cifar[@]}" --train batch.bin --hold-out 2 --output x
expect 2 "--classes is 1, expected at least 2" "${cifar[@]}" --train batch.bin --classes 1 --output x
expect 2 "--classes is 257, expected at most 256" "${cifar[@]}" --train batch.bin --classes 257 --output x
expect 2 "--mean is '0.5;0.5', expected numbers with commas between them" "${cifar[@]}" --train batch.bin --mean '0.5;0.5' --output x
expect 2 "--mean has 2 numbers, expected 1 or 3, one a channel" "${cifar[@]}" --train batch.bin --mean .5,.5 --output x
expect 2 "--std has 3 numbers, expected 1" "${idx[@]}" --train images --train-labels labels --std 1,1,1 --output x
expect 2 "--std is '1,0,1', expected numbers above 0" "${cifar[@]}" --train batch.bin --std 1,0,1 --output x

# Bad input: message, exit code, nothing left.
mkdir out
expect 66 "cannot be read: No such file or directory" "${idx[@]}" --train nowhere --train-labels labels --output out/x
expect 65 "is compressed with gzip, expected a plain file" "${idx[@]}" --train images.gz --train-labels labels --output out/x
expect 65 "is no idx file" "${idx[@]}" --train batch.bin --train-labels labels --output out/x
expect 65 "expected a multiple of 3073" "${cifar[@]}" --train images --output out/x
expect 65 "image 1 has the label 10, expected < 10" "${idx[@]}" --train images --train-labels bad-labels --output out/x
expect 65 "bad.bin: byte 3073" "${cifar[@]}" --train batch.bin bad.bin --output out/x
expect 65 "is not a regular file" "${cifar[@]}" --train /dev/zero --output out/x
expect 74 "cannot create" "${cifar[@]}" --train batch.bin --output /proc/corpus/x
expect_only out
expect 0 "3 sequences in 1 shard" "${idx[@]}" --train images images --train-labels labels labels --test images --test-labels labels --hold-out 3 --output out/x
expect 73 "the output exists already" "${idx[@]}" --train images --train-labels labels --output out/x
expect 0 "mean -1,0.25,0.5, std 0.5,0.5,0.5" "${cifar[@]}" --train batch.bin --mean=-1,.25,5e-1 --std .5 --output out/cifar
expect_only out x cifar
expect_only out/x manifest.json train-00000.h5 valid-00000.h5 test-00000.h5

# The other kind of corpus is named as what it is.
printf 'a b\n' > text
expect 65 "the corpus holds labelled sequences, expected text" "$program" text --train text --vocabulary out/x --output out/y

# A file size limit and a full disk, met at any place.
for _ in 1 2 3 4 5 6 7 8; do cat batch.bin batch.bin batch.bin batch.bin; done > large.bin
for _ in 1 2 3 4 5 6 7 8; do cat large.bin large.bin; done > larger.bin
# shellcheck disable=SC2317  # called by name
images_to() { "$program" images --format cifar --train large.bin larger.bin --shard-sequences 300 --output "$1/x"; }
export -f images_to
export program
expect_write_errors_at_limits images_to 0 1 2 4 64 150 400 700
expect_write_errors_on_disks images_to 4k 8k 12k 100k 200k 500k 900k 2m

# Ctrl-C and SIGTERM: the signal's own exit code, nothing left.
mkdir signalled
truncate -s $((3073 * 65536)) huge.bin  # black images of class 0
expect_clean_after_signals signalled 0.02 0.1 -- "${cifar[@]}" --train huge.bin huge.bin huge.bin huge.bin --shard-sequences 8192 --output signalled/x
rm huge.bin

# Plain h5py reads a corpus.
/usr/bin/python3 - out <<'PYTHON' || fail "h5py (package python3-h5py) does not read the corpus as documented"
import json, sys, h5py
out = sys.argv[1]
manifest = json.load(open(out + "/x/manifest.json"))
assert manifest["steps"] == 4 and manifest["channels"] == 1 and manifest["classes"] == 10
assert {name: split["sequences"] for name, split in manifest["splits"].items()} == {"train": 3, "valid": 3, "test": 3}
with h5py.File(out + "/x/" + manifest["splits"]["valid"]["shards"][0]["file"], "r") as file:
    pixels, labels = file["pixels"], file["labels"]
    assert pixels.dtype == "u1" and pixels.chunks is None and pixels.shape == (3, 4, 1), pixels
    assert labels.dtype == "u1" and labels.chunks is None
    assert pixels[:].tobytes() == b"abcdefghijkl" and list(labels) == [7, 1, 9]
    assert [float(file.attrs[name]) for name in ("mean", "std")] == [0.1307, 0.3081] and int(file.attrs["classes"]) == 10
with h5py.File(out + "/cifar/train-00000.h5", "r") as file:
    assert file["pixels"].shape == (2, 1024, 3) and list(file["labels"]) == [3, 9]
    assert [float(number) for number in file.attrs["mean"].split(b",")] == [-1, 0.25, 0.5]
PYTHON

# Real images, where they are: the corpus against an independent reading of the files.
if [ -n "${TRELLIS_REAL_DATA:-}" ]; then
  for name in mnist.{train,t10k}-{images-idx3,labels-idx1}-ubyte cifar-10.{data_batch_1,test_batch}.bin; do
    xz -dc "$TRELLIS_REAL_DATA/$name.xz" > "$name" || fail "no $name"
  done
  expect 0 "55,000 sequences in 4 shards" "${idx[@]}" --train mnist.train-images-idx3-ubyte --train-labels mnist.train-labels-idx1-ubyte \
    --test mnist.t10k-images-idx3-ubyte --test-labels mnist.t10k-labels-idx1-ubyte --hold-out 5000 --shard-sequences 17000 --output real-mnist
  expect 0 "10,000 sequences in 1 shard" "${cifar[@]}" --train cifar-10.data_batch_1.bin --test cifar-10.test_batch.bin --output real-cifar
  /usr/bin/python3 - <<'PYTHON' || fail "the corpora of real images are not what their files hold"
import json, h5py, numpy as np
def corpus(name, split):
    manifest = json.load(open(name + "/manifest.json"))
    parts = [h5py.File(name + "/" + shard["file"], "r") for shard in manifest["splits"][split]["shards"]]
    pixels, labels = (np.concatenate([part[key][:] for part in parts]) for key in ("pixels", "labels"))
    assert len(pixels) == manifest["splits"][split]["sequences"]
    return pixels, labels
def idx(part):
    return (np.fromfile(f"mnist.{part}-images-idx3-ubyte", "u1", offset=16).reshape(-1, 784, 1),
            np.fromfile(f"mnist.{part}-labels-idx1-ubyte", "u1", offset=8))
def same(found, expected):
    return all((a == b).all() and a.shape == b.shape for a, b in zip(found, expected))
train = idx("train")
assert len(train[0]) == 60000 and list(train[1][:5]) == [5, 0, 4, 1, 9]
assert same(corpus("real-mnist", "train"), [part[:55000] for part in train])
assert same(corpus("real-mnist", "valid"), [part[55000:] for part in train])
assert same(corpus("real-mnist", "test"), idx("t10k"))
for split, file in ("train", "data_batch_1"), ("test", "test_batch"):
    records = np.fromfile(f"cifar-10.{file}.bin", "u1").reshape(10000, 3073)
    pixels = records[:, 1:].reshape(-1, 3, 1024).transpose(0, 2, 1)
    assert same(corpus("real-cifar", split), (pixels, records[:, 0]))
assert abs(train[0].mean() / 255 - 0.1307) < 1e-4 and abs(train[0].std() / 255 - 0.3081) < 1e-4
PYTHON
  rm -rf real-* mnist.* cifar-10.*
fi

report
