#!/usr/bin/env bash
# UCX takes SIGHUP for itself, also where the program was started with SIGHUP ignored.
#
# Versions: libucx-cu12 1.15.0.post2 and 1.22.0 (the wheels of PyPI, x86_64 Linux, loaded without a GPU and without CUDA). Debian 13's
# libucx0 is the same library: its Open MPI 5.0.7 is linked with it, so every MPI program there loads it before main; with Open MPI 4
# it comes as a plugin, inside MPI_Init.
#
# Behaviour: the constructor of libucs.so puts a handler on SIGHUP (UCX_DEBUG_SIGNO, "enter debug mode"), whatever stood there. Under
# nohup, whose whole effect is that SIGHUP is ignored, it is ignored no more, so nohup does not protect an MPI program where MPI brings
# UCX, and a program that asks in main "is SIGHUP ignored?" hears no. With that handler a program does not end by SIGHUP, either: one
# that got it while it was loading was still there 25 seconds later, and had not gone on.
# UCX_HANDLE_ERRORS=none, which switches the handlers of SIGSEGV and others off (from some version on they are off without it), leaves
# this one; UCX_DEBUG_SIGNO=0 is what switches it off.
#
# Output seen (signal numbers, in a program of which nohup ignores 1, SIGHUP), of 1.15.0.post2, and in brackets where 1.22.0 differs:
#   before any library: none handled, 1 ignored
#   libucs loaded: 1 4 7 8 11 [1] handled, none ignored
#   libucs loaded, UCX_HANDLE_ERRORS=none: 1 handled, none ignored
#   libucs loaded, UCX_DEBUG_SIGNO=0: 4 7 8 11 [none] handled, 1 ignored
#
# Needs: python3 with pip and venv, cc, nohup; a package index. Exit code 0 as described above; 1 it has changed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

cat >signals.c <<'C'
#include <signal.h>
#include <stdio.h>
/* tells which signals are handled, and which ignored; sends none */
int main(void) {
  for (int ignored = 0; ignored < 2; ++ignored) {
    printf(ignored ? "ignored:" : "handled:");
    for (int number = 1; number < 32; ++number) {
      struct sigaction action;
      if (sigaction(number, NULL, &action) != 0 || action.sa_handler == SIG_DFL) continue;
      if ((action.sa_handler == SIG_IGN) == ignored) printf(" %d", number);
    }
    printf(ignored ? "\n" : "; ");
  }
  return 0;
}
C
cc -o signals signals.c

failures=0
# seen EXPECTED WHAT VARIABLE=VALUE...
seen() {
  local expected=$1 what=$2 found
  shift 2
  found=$(nohup env "$@" ./signals 2>/dev/null)
  echo "  $what: $found"
  if [ "$found" != "$expected" ]; then
    echo "  CHANGED: expected '$expected'"
    failures=$((failures + 1))
  fi
}

python3 -m venv tools
for version in 1.15.0.post2 1.22.0; do
  errors=' 4 7 8 11'  # signals of errors
  if [ "$version" = 1.22.0 ]; then errors=''; fi
  echo "libucx-cu12 $version"
  tools/bin/pip install --quiet --no-deps --target "ucx-$version" "libucx-cu12==$version"
  library=$(find "$PWD/ucx-$version" -name 'libucs.so.0' | head -n 1)
  seen "handled:; ignored: 1" "before any library"
  seen "handled: 1$errors; ignored:" "libucs loaded" LD_PRELOAD="$library"
  seen "handled: 1; ignored:" "libucs loaded, UCX_HANDLE_ERRORS=none" LD_PRELOAD="$library" UCX_HANDLE_ERRORS=none
  seen "handled:$errors; ignored: 1" "libucs loaded, UCX_DEBUG_SIGNO=0" LD_PRELOAD="$library" UCX_DEBUG_SIGNO=0
done
[ "$failures" = 0 ] || exit 1
echo "as described"
