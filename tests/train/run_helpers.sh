# For tests that train small networks; sourced. Gives a scratch folder in $work (removed at the end), a corpus, a
# configuration, and the expectations below.
# shellcheck shell=bash disable=SC2034,SC2154
set -u
work=${WORK_DIR:?}/$(basename "$0" .sh).$$
mkdir -p "$work" && cd "$work" || exit 1
# shellcheck source=../../launch/launcher.sh
source "${SOURCE_DIR:?}/launch/launcher.sh"
find_launcher || { echo "$launcher_fault: $launcher_fix"; exit 1; }
# shellcheck disable=SC2046  # a word each
set_launcher_variables $(local_needs)
# The launcher's own files in a place of their own: those of tests that run beside this one come and go in the same folder otherwise.
# Under /tmp, for the names of sockets are short.
sessions=$(mktemp -d /tmp/trellis-sessions.XXXXXX) || exit 1
export "$(launcher_variables files_in)$sessions"
trap 'end_process; rm -rf "$work" "$sessions"' EXIT
trellis=${BUILD_BIN:?}/trellis
comparator=$SOURCE_DIR/tests/train/compare_runs.py
export OMP_NUM_THREADS=1
limit=${TRELLIS_TEST_SECONDS:-120}  # of one command; what takes longer hangs
failures=0

# the one that has h5py: it comes from a package of the system's python
for python in python3 /usr/bin/python3; do
  "$python" -c "import h5py, numpy" 2> /dev/null && break
done

fail() {
  printf 'FAILED: %s\n' "$*"
  failures=$((failures + 1))
}

# finish WHAT: the verdict, as the script's exit status
finish() {
  [ "$failures" = 0 ] || { echo "$failures failures"; exit 1; }
  echo "$*"
}

# ranks N COMMAND...: without mpirun for one
ranks() {
  local count=$1
  shift
  if [ "$count" = 1 ]; then timeout "$limit" "$@"; else timeout "$limit" mpirun -n "$count" "$@"; fi
}

# each_rank COMMAND... : COMMAND... : ...: ranks 0, 1, ..., each with a command of its own, in one job. mpirun's own way to say so ends
# some releases of Open MPI 5.
each_rank() {
  local count=0 word
  rm -f "$work"/words.*
  for word in "$@"; do
    if [ "$word" = : ]; then count=$((count + 1)); else printf '%s\0' "$word" >> "$work/words.$count"; fi
  done
  # shellcheck disable=SC2016  # the ranks' shells expand it
  timeout "$limit" mpirun -n $((count + 1)) bash -c 'mapfile -d "" -t words < "$0.$OMPI_COMM_WORLD_RANK"; exec "${words[@]}"' "$work/words"
}

# expect CODE COMMAND...: the command must end with it; its output goes to $work/output
expect() {
  local expected=$1 code
  shift
  "$@" > "$work/output" 2>&1
  code=$?
  [ "$code" = "$expected" ] || { fail "exit code $code instead of $expected from: $*"; tail -n 20 "$work/output"; return 1; }
}

# says TEXT: the last expect's output holds it
says() { grep -qF -- "$1" "$work/output" || { fail "no '$1' in the output:"; cat "$work/output"; }; }

# zipf_text SEED WORDS: words w1 ... w60, the frequent ones first, eleven a line; the same text everywhere
zipf_text() {
  awk -v seed="$1" -v words="$2" 'BEGIN {
    x = seed
    for (i = 1; i <= words; ++i) {
      x = (x * 16807) % 2147483647
      printf "w%d%s", int(exp(x / 2147483647 * log(61))), i % 11 && i < words ? " " : "\n"
    }
  }'
}

# corpus NAME TRAINING_WORDS: folder NAME with the splits train, valid and test; the 61 words are in each vocabulary
corpus() {
  { seq -f "w%.0f" 60 | tr '\n' ' '; zipf_text 12345 $(($2 - 60)); } > "$1.train"
  zipf_text 777 330 > "$1.valid"
  zipf_text 4242 440 > "$1.test"
  "$BUILD_BIN/trellis-preprocess" text --train "$1.train" --valid "$1.valid" --test "$1.test" --output "$1" > "$1.log" 2>&1 || {
    cat "$1.log"
    exit 1
  }
}

# sequences NAME TRAINING: folder NAME with labelled sequences of 12 steps, three classes: where the bright steps lie
sequences() {
  "$python" - "$1" "$2" << 'PYTHON'
import random, struct, sys
name, training = sys.argv[1], int(sys.argv[2])
rng = random.Random(5)
for split, count in (("train", training), ("valid", 23), ("test", 31)):
    labels = bytes(rng.randrange(3) for _ in range(count))
    pixels = bytes(min(255, rng.randrange(120) + (130 if step // 4 == label else 0)) for label in labels for step in range(12))
    open(f"{name}.{split}.images", "wb").write(struct.pack(">IIII", 0x803, count, 3, 4) + pixels)
    open(f"{name}.{split}.labels", "wb").write(struct.pack(">II", 0x801, count) + labels)
PYTHON
  "$BUILD_BIN/trellis-preprocess" images --format idx --classes 3 --train "$1.train.images" --train-labels "$1.train.labels" \
    --valid "$1.valid.images" --valid-labels "$1.valid.labels" --test "$1.test.images" --test-labels "$1.test.labels" --output "$1" > "$1.log" 2>&1 || {
    cat "$1.log"
    exit 1
  }
}

# Every kind of dropout, cluster, auxiliary output and normalisation, small.
cat > small.ini << 'INI'
[model]
levels = 4
hidden = 24
outputs = 12
embedding = 12
cutoffs = 10,30
kernel_std = 0.1
[dropout]
embedding = 0.1
input = 0.2
hidden = 0.2
output = 0.3
weight = 0.2
[auxiliary]
every = 2
weight = 0.3
[train]
lanes = 7
window = 10
precision = float64
[optimizer]
learning_rate = 0.01
[valid]
lanes = 5
[log]
every = 1
INI

# words that make small.ini a classifier of `sequences`, and a mixture of softmaxes over mixed groups with penalties
classifier=(model.task=classifier model.outputs=3 model.embedding=1 model.cutoffs= model.dilations=1,2 model.levels=4 train.window=12
  dropout.embedding=0 dropout.hidden=0.1 dropout.input=0.1 dropout.output=0.1 dropout.weight=0.1 auxiliary.every=0 auxiliary.weight=0
  data.shuffle=true data.permute=true)
mixture=(model.cutoffs= model.experts=3 model.embedding=10 model.groups=2 model.injection_every=2 dropout.latent=0.2
  penalty.activation=0.5 penalty.slowness=0.25)

# train RANKS RUN [WORD...]: on the corpus $data with small.ini
train() {
  local count=$1 run=$2
  shift 2
  ranks "$count" "$trellis" train --config small.ini --data "$data" --run "$run" "$@"
}

# steps_of RUN: the steps that its metrics tell, one "STEP LOSS" a line, the loss as it is written there
steps_of() { sed -n 's/.*"event":"step".*"step":\([0-9]*\),.*"loss_nats":\([^,]*\),.*/\1 \2/p' "$1/metrics.jsonl"; }
last_step_of() { { steps_of "$1" 2> /dev/null | tail -n 1; echo 0 0; } | sed 's/ .*//;q'; }
has_step() { [ "$(last_step_of "$1")" -ge "$2" ]; }
last_event_of() { tail -n 1 "$1/metrics.jsonl"; }
newest_of() { find "$1/checkpoints" -maxdepth 1 -name 'step-*' 2> /dev/null | sort | tail -n 1; }

# wait_until SECONDS COMMAND...: true when the command succeeds within them
wait_until() {
  local end=$((SECONDS + $1))
  shift
  until "$@"; do
    [ "$SECONDS" -lt "$end" ] || return 1
    sleep 0.05
  done
}

# A program in the background: `process` is it, or the mpirun that started it; its output goes to NAME.log. It does
# not outlive the test.
process=
soon=${TRELLIS_TEST_SOON:-25}  # seconds from an event to the end, on a busy machine; some 2 on an idle one

# begin NAME COMMAND...
begin() {
  local name=$1
  shift
  "$@" > "$name.log" 2>&1 &
  process=$!
}
# begin_ranks RANKS NAME COMMAND...: under mpirun; up to when its ranks are there
begin_ranks() {
  local count=$1 name=$2
  shift 2
  begin "$name" mpirun -n "$count" "$@"
  wait_until "$limit" eval '[ "$(pgrep -c -P "$process")" = '"$count"' ]' || fail "$name: no ranks"
}
# rank_process RANK: its process
rank_process() {
  local pid
  for pid in $(pgrep -P "$process"); do
    if tr '\0' '\n' < "/proc/$pid/environ" 2> /dev/null | grep -qx "OMPI_COMM_WORLD_RANK=$1"; then echo "$pid"; fi
  done
}
process_is_gone() { ! kill -0 "$process" 2> /dev/null; }
end_process() { if [ -n "$process" ]; then kill -9 "$process" 2> /dev/null; fi; }
# ended CODE NAME: `process`, soon
ended() {
  local code
  wait_until "$soon" process_is_gone || { fail "$2: still running $soon s after the event"; end_process; }
  wait "$process"
  code=$?
  [ "$code" = "$1" ] || { fail "$2: exit code $code instead of $1"; tail -n 20 "$2.log"; }
}
# tells NAME PATTERN: its messages hold it
tells() { grep -qE -- "$2" "$1.log" || { fail "$1: no '$2' in its messages:"; cat "$1.log"; }; }

# refuse CODE TEXT COMMAND...: it ends with the code, with one message that holds the text, and with no trace of a crash
refuse() {
  local code=$1 text=$2
  shift 2
  expect "$code" "$@" || return
  says "$text"
  [ "$(grep -c 'error: ' "$work/output")" = 1 ] || { fail "not one message from: $*"; cat "$work/output"; }
  if grep -qE 'terminate called|Aborted|Segmentation|received signal|what\(\)|AddressSanitizer|Backtrace|Exception raised|HDF5-DIAG' "$work/output"; then
    fail "a crash from: $*"
    cat "$work/output"
  fi
  refused=$((${refused:-0} + 1))
}

# holds_only FOLDER [NAME...]: hidden entries count
holds_only() {
  local folder=$1 found
  shift
  found=$(find "$folder" -mindepth 1 -maxdepth 1 -printf '%f\n' | sort)
  [ "$found" = "$(if [ $# -gt 0 ]; then printf '%s\n' "$@" | sort; fi)" ] || fail "$folder holds $(tr '\n' ' ' <<< "$found"), expected $*"
}

# flip FILE OFFSET: one bit; a negative offset counts from the end
flip() {
  "$python" - "$@" << 'PYTHON'
import sys
name, offset = sys.argv[1], int(sys.argv[2])
with open(name, "r+b") as file:
    file.seek(offset, 2 if offset < 0 else 0)
    byte = file.read(1)[0]
    file.seek(-1, 1)
    file.write(bytes([byte ^ 64]))
PYTHON
}
