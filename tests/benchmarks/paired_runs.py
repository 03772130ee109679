"""What the speed measurements share: a corpus to train on, runs as separate processes, and pairs of runs compared.

Speeds are only compared within a pair of runs that followed each other, and pairs by their median: other work on the
machine then touches both sides alike.
"""
import argparse
import json
import lzma
import os
import pathlib
import random
import shutil
import statistics
import subprocess
import sys
import tempfile

SOURCE = pathlib.Path(__file__).resolve().parents[2]
CONFIG = SOURCE / "configs" / "wikitext2-small.ini"
VOCABULARY = 33_278  # of WikiText-2
SPLITS = ("train", "valid", "test")


def arguments(description, threads=None, pairs=7, steps=60):
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    if threads:
        parser.add_argument("--threads", type=int, default=threads, help="CPU threads of a process (default %(default)s)")
    parser.add_argument("--pairs", type=int, default=pairs, help="pairs of runs (default %(default)s)")
    parser.add_argument("--steps", type=int, default=steps,
                        help="steps of a run; speed is that of the second half (default %(default)s)")
    parser.add_argument("--text", type=pathlib.Path,
                        help="text to train on; else WikiText-2 from the folder TRELLIS_REAL_DATA, else a generated text")
    parser.add_argument("--build", type=pathlib.Path, default=SOURCE / "build", help="build folder (default %(default)s)")
    parser.add_argument("settings", nargs="*", metavar="section.option=value", help="settings that win over configs/wikitext2-small.ini")
    options = parser.parse_args()
    options.log_every = 5
    if options.pairs < 1 or options.steps < 10:
        parser.error("--pairs must be at least 1 and --steps at least 10")
    if not (options.build / "bin" / "trellis").exists():
        parser.error(f"no bin/trellis in {options.build}: run launch/build first, or name the build folder with --build")
    return options


def generated_text(vocabulary=VOCABULARY, tokens=1_000_000):
    """Words with Zipf's frequencies, the same at every call, each word at least once."""
    draw = random.Random(1)
    words = [f"w{n}" for n in range(vocabulary - 1)]  # and <eos>
    tokens = words + draw.choices(words, weights=[1 / (n + 2.7) for n in range(len(words))], k=tokens)
    draw.shuffle(tokens)
    return "".join(" ".join(tokens[n : n + 25]) + "\n" for n in range(0, len(tokens), 25))


def write_texts(options, folder):
    """The three splits as files in `folder`; returns what they are."""
    real = os.environ.get("TRELLIS_REAL_DATA")
    archives = [pathlib.Path(real) / f"wikitext-2.{split}.txt.xz" for split in SPLITS] if real else []
    if not options.text and archives and all(archive.exists() for archive in archives):
        for split, archive in zip(SPLITS, archives):
            (folder / split).write_bytes(lzma.open(archive).read())
        return "WikiText-2"
    text = options.text.read_bytes() if options.text else generated_text().encode()
    (folder / "train").write_bytes(text)
    start = text[: text.rfind(b"\n", 0, 1_000_000) + 1] or text  # nobody validates here, but a corpus has three splits
    for split in SPLITS[1:]:
        (folder / split).write_bytes(start)
    return str(options.text) if options.text else "generated text with Zipf's frequencies"


def preprocess_words(build, folder):
    """The three splits in `folder` as a corpus of words."""
    corpus = folder / "corpus"
    files = [word for split in SPLITS for word in (f"--{split}", folder / split)]
    run([build / "bin" / "trellis-preprocess", "text", *files, "--unit", "word", "--output", corpus])
    return corpus


def make_corpus(options, folder):
    name = write_texts(options, folder)
    corpus = preprocess_words(options.build, folder)
    words = json.loads((corpus / "manifest.json").read_text())["vocabulary"]["words"]
    print(f"corpus: {name}, vocabulary {words}", flush=True)
    return corpus


def run(command, environment=None):
    """Runs to the end; returns what it printed and its peak memory in bytes. Ends this program if it fails."""
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen([str(word) for word in command], env={**os.environ, **(environment or {})},
                                   stdout=output, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        text = output.read()
    if process.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}\n{text}ended with {process.returncode}")
    return text, usage.ru_maxrss * 1024


class Measurement:
    """tokens_per_second: of a classifier, sequences. losses: by step, in nats."""

    def __init__(self, tokens_per_second, peak_bytes, losses):
        self.tokens_per_second, self.peak_bytes, self.losses = tokens_per_second, peak_bytes, losses


def launcher(ranks):
    """The words that start so many ranks on this machine."""
    return [SOURCE / "launch" / "run", "-n", str(ranks)]


def common_settings(options, threads):
    return [f"train.threads={threads}", f"train.steps={options.steps}", f"log.every={options.log_every}", *options.settings]


def config_flags(configs):
    return [word for config in configs for word in ("--config", config)]


def trellis_train(options, corpus, folder, threads, launcher=(), configs=(CONFIG,), ours=()):
    """One run of `trellis train`, without validation; its checkpoint at the end counts for memory, not for time. ours: settings
    that the peer does not get."""
    run_folder = pathlib.Path(tempfile.mkdtemp(dir=folder))
    _, peak = run([*launcher, options.build / "bin" / "trellis", "train", *config_flags(configs), "--data", corpus,
                   "--run", run_folder / "run", *common_settings(options, threads), f"valid.every={options.steps + 1}", *ours],
                  {"OMP_NUM_THREADS": str(threads)})
    events = [json.loads(line) for line in (run_folder / "run" / "metrics.jsonl").read_text().splitlines()]
    shutil.rmtree(run_folder)
    steps = [event for event in events if event["event"] == "step"]
    timed = [event for event in steps if event["step"] > options.steps // 2]
    rate = "sequences_per_second" if "sequences_per_second" in steps[0] else "tokens_per_second"
    tokens = sum(event[rate] * event["seconds"] for event in timed)
    return Measurement(tokens / sum(event["seconds"] for event in timed), peak, {event["step"]: event["loss_nats"] for event in steps})


def peer(options, corpus, threads, launcher=(), configs=(CONFIG,)):
    """One run of the same training in plain LibTorch autograd."""
    output, peak = run([*launcher, options.build / "tests" / "libtorch_peer", "--data", corpus, *config_flags(configs),
                        "--measure", (options.steps + 1) // 2, *common_settings(options, threads)], {"OMP_NUM_THREADS": str(threads)})
    values, losses = {}, {}
    for words in (line.split() for line in output.splitlines()):
        if len(words) == 2:
            values[words[0]] = float(words[1])
        if len(words) == 4 and words[0] == "step":
            losses[int(words[1])] = float(words[3])
    rate = values.get("tokens_per_second") or values["sequences_per_second"]
    return Measurement(rate, peak, losses)


def print_pairs(names, pairs):
    """pairs: list of (Measurement, Measurement). Prints each and the medians; returns the median ratio of speeds."""
    print(f"{'pair':>4}  {names[0] + ' tokens/s':>22}  {names[1] + ' tokens/s':>22}  {'ratio':>6}")
    for n, (a, b) in enumerate(pairs, 1):
        print(f"{n:4}  {a.tokens_per_second:22.1f}  {b.tokens_per_second:22.1f}  {a.tokens_per_second / b.tokens_per_second:6.3f}")
    ratio = statistics.median(a.tokens_per_second / b.tokens_per_second for a, b in pairs)
    medians = [statistics.median(pair[side].tokens_per_second for pair in pairs) for side in (0, 1)]
    print(f"median {names[0]} {medians[0]:.1f}, {names[1]} {medians[1]:.1f} tokens/s; median ratio {ratio:.3f}", flush=True)
    return ratio
