"""Runs the commands of README.md and docs/: every block that is marked `sh`, a document at a time, line by line in order, in a
fresh folder that looks like a clone.

  docs_run.py SOURCE BIN WORK [DOCUMENT...]

SOURCE: the project; BIN: the folder of its programs; WORK: a scratch folder; DOCUMENT: names like README.md (all of them).

What the text presumes - corpora to preprocess, trained runs, other tools' files - is made small by tests/launch/docs_given.sh,
called with the document's name. README's commands run as they stand. Those of docs/ are of networks that take hours: there
`trellis train` gets settings behind its own that make it a matter of seconds (SHORT below); nothing else is changed. A command that
the text says to end with another code than 0 has that behind it: "# exits with 75". Ends with 1 at the first command that does not
do as the text says, and when a command stands in a block that is not marked.
"""
import os
import pathlib
import re
import shutil
import subprocess
import sys

PROGRAMS = ("trellis", "trellis-preprocess", "parity")
COMMAND = re.compile(r"^(mpirun|\./|launch/|build/|tests/|cluster/|(trellis|trellis-preprocess|parity) )")
# The one installs and compiles, the other is what runs this: both have tests of their own (quickstart_test.sh, and all of them).
ELSEWHERE = ("./launch/quickstart", "./tests/run", "launch/build", "launch/setup", "tests/run")
LIMIT_SECONDS = 240
SHORT = {"model.levels": "2", "train.lanes": "4", "train.steps": "3", "train.epochs": "0", "valid.every": "2", "valid.lanes": "4",
         "log.every": "1", "mesh.timeout": "60"}
SHORT_TEXTS = {"auxiliary.every": "1", "model.injection_every": "1", "model.hidden": "48", "model.outputs": "24",
               "model.embedding": "24", "train.window": "12", "train.discard": "0", "model.cutoffs": ""}
SHORT_SEQUENCES = {"model.hidden": "24"}


def commands_of(text, name):
    """The commands of the marked blocks as (line number, command), continuations joined."""
    commands, marked, pending, start = [], None, "", 0
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith("```"):
            marked = None if marked is not None else line.strip().strip("`")
            continue
        if marked is None:
            continue
        if marked != "sh":
            if not marked and COMMAND.match(line):
                sys.exit(f"{name}:{number}: a command in a block that is not marked `sh`: {line}")
            continue
        if not pending:
            start = number
        pending += line.strip()
        if pending.endswith("\\"):
            pending = pending[:-1]
            continue
        if pending and not pending.startswith("#"):
            commands.append((start, pending))
        pending = ""
    return commands


def shorten(words):
    """The words of `trellis train` with the settings that make it short behind them."""
    configs = " ".join(words[n + 1] for n, word in enumerate(words[:-1]) if word == "--config")
    settings = dict(SHORT)
    settings.update(SHORT_SEQUENCES if re.search("mnist|cifar", configs) else SHORT_TEXTS)
    if any(re.fullmatch(r"train\.steps=[1-9][0-9]?", word) for word in words):  # short already
        del settings["train.steps"]
    return [word for word in words if word.split("=")[0] not in settings] + [f"{key}={value}" for key, value in settings.items()]


def stand_in(folder, program, real):
    """The program by its name; `trellis train` made short."""
    path = folder / program
    path.write_text(f"#!/bin/bash\nexec {sys.executable} {pathlib.Path(__file__).resolve()} --exec {real} \"$@\"\n")
    path.chmod(0o755)


def prepare(source, programs, work, name):
    clone = work / name.replace("/", "-")
    shutil.rmtree(clone, ignore_errors=True)
    (clone / "build").mkdir(parents=True)
    for entry in ("configs", "tests", "launch", "cluster", "docs", "src", "preprocessing"):
        (clone / entry).symlink_to(source / entry)
    (clone / "build" / "bin").mkdir()
    for program in PROGRAMS:
        if name == "README.md" or program != "trellis":
            (clone / "build" / "bin" / program).symlink_to(programs / program)
        else:
            stand_in(clone / "build" / "bin", program, programs / program)
    return clone


def run_document(source, programs, work, name):
    commands = commands_of((source / name).read_text(), name)
    if not commands:
        return 0
    clone = prepare(source, programs, work, name)
    environment = {**os.environ, "PATH": f"{clone}/build/bin:{os.environ['PATH']}", "TRELLIS_BIN": str(clone / "build" / "bin")}
    given = subprocess.run(["bash", source / "tests" / "launch" / "docs_given.sh", name], cwd=clone, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                           env={**environment, "BUILD_BIN": str(programs)}, text=True, timeout=LIMIT_SECONDS, check=False)
    if given.returncode != 0:
        sys.exit(f"what {name} presumes could not be made:\n{given.stdout}")
    ran = 0
    for line, command in commands:
        if command.split("#")[0].split()[0] in ELSEWHERE:
            continue
        said = re.search(r"# exits with (\d+)", command)
        expected = int(said.group(1)) if said else 0
        print(f"{name}:{line}: {command}", flush=True)
        try:
            done = subprocess.run(["bash", "-c", command], cwd=clone, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, text=True, errors="replace", timeout=LIMIT_SECONDS, check=False)
        except subprocess.TimeoutExpired as late:
            sys.exit(f"{late.output}\n{name}:{line}: took more than {LIMIT_SECONDS} s: {command}")
        if done.returncode != expected:
            sys.exit(f"{done.stdout}\n{name}:{line}: ended with {done.returncode}, expected {expected}: {command}")
        ran += 1
    shutil.rmtree(clone, ignore_errors=True)
    return ran


def main():
    if sys.argv[1] == "--exec":
        real, *words = sys.argv[2:]
        os.execv(real, [real, *(shorten(words) if words[:1] == ["train"] and "--help" not in words else words)])
    source, programs, work = (pathlib.Path(word).resolve() for word in sys.argv[1:4])
    names = sys.argv[4:] or ["README.md", *sorted(f"docs/{path.name}" for path in (source / "docs").glob("*.md"))]
    ran = sum(run_document(source, programs, work, name) for name in names)
    if ran == 0:
        sys.exit("no command was run")
    print(f"{ran} commands did what the documents say")


if __name__ == "__main__":
    main()
