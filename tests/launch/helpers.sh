# For the tests of launch/: a copy of the scripts in a scratch clone, stand-in programs, and expectations; sourced.
# shellcheck shell=bash
# shellcheck disable=SC2034
set -euo pipefail

test_name=$(basename "$0" .sh)
source_dir=${SOURCE_DIR:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}
scratch=${WORK_DIR:-$(mktemp -d)}/$test_name
rm -rf "$scratch"
mkdir -p "$scratch/bin" "$scratch/home"
scratch=$(cd "$scratch" && pwd)
clone=$scratch/clone
mkdir "$clone"
cp -r "$source_dir/launch" "$source_dir/configs" "$clone/"
export HOME=$scratch/home XDG_CACHE_HOME=$scratch/cache
unset TRELLIS_LIBTORCH TRELLIS_BIN TRELLIS_DATA_ROOT TRELLIS_CORPUS_URL CUDA_HOME MPI_HOME HDF5_ROOT CMAKE_PREFIX_PATH
# as a shell of a person has it: nothing of the tests' environment helps
# shellcheck source=../../launch/launcher.sh
source "$source_dir/launch/launcher.sh"
# shellcheck disable=SC2046  # a word each
unset $(launcher_variable_names)
on_exit() {
  local status=$?
  if [ "$status" != 0 ]; then
    echo "$test_name failed; the last output was:"
    cat "$scratch/output" 2>/dev/null || true
  fi
  exit "$status"
}
trap on_exit EXIT

say_test() { printf -- '-- %s\n' "$*"; }

# broken WHAT: a test has failed.
broken() { printf 'FAILED: %s\n' "$*" >&2; exit 1; }

# stand_in NAME: a program from stdin, in front of PATH for `run` when `path` holds $scratch/bin.
stand_in() { { echo '#!/usr/bin/env bash'; cat; } >"$scratch/bin/$1"; chmod +x "$scratch/bin/$1"; }

# run EXPECTED_STATUS COMMAND...: output in $scratch/output
run() {
  local expected=$1 status=0
  shift
  PATH=$scratch/bin:$PATH "$@" >"$scratch/output" 2>&1 </dev/null || status=$?
  [ "$status" = "$expected" ] || broken "'$*' ended with $status instead of $expected"
}

# says TEXT...: every text must be in the output
says() { for text in "$@"; do grep -qF -- "$text" "$scratch/output" || broken "the output does not say '$text'"; done; }
says_not() { for text in "$@"; do ! grep -qF -- "$text" "$scratch/output" || broken "the output says '$text'"; done; }
exists() { for path in "$@"; do [ -e "$path" ] || broken "$path is not there"; done; }
exists_not() { for path in "$@"; do [ ! -e "$path" ] || broken "$path is there"; done; }
equal() { [ "$1" = "$2" ] || broken "expected '$2', but got '$1'"; }

# wait_for FILE: at most 20 s
wait_for() { for _ in $(seq 200); do if [ -e "$1" ]; then return; fi; sleep 0.1; done; broken "$1 did not appear in 20 s"; }

# fake_libtorch FOLDER VERSION
fake_libtorch() {
  mkdir -p "$1/lib" "$1/include/torch/headeronly" "$1/include/ATen"
  echo library >"$1/lib/libtorch_cpu.so"
  local part
  IFS=. read -r -a part <<<"$2"
  printf '#define TORCH_VERSION_%s\n' "MAJOR ${part[0]}" "MINOR ${part[1]}" "PATCH ${part[2]}" >"$1/include/torch/headeronly/version.h"
}
