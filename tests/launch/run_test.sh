#!/usr/bin/env bash
# launch/run: ranks on this machine with a stand-in program. Exit codes come through, and what would make mpirun kill its ranks
# comes to them as a request to stop.

# shellcheck disable=SC2154  # scratch and clone come from helpers.sh
# shellcheck source=helpers.sh
source "$(dirname "${BASH_SOURCE[0]}")/helpers.sh"
mkdir "$scratch/programs"
export TRELLIS_BIN=$scratch/programs
launch=("$clone/launch/run")

# Ends with the code given; with "wait" it waits to be told to stop, and notes what it was told.
cat >"$TRELLIS_BIN/trellis" <<END
#!/usr/bin/env bash
echo "rank \$OMPI_COMM_WORLD_RANK of \$OMPI_COMM_WORLD_SIZE: \$*"
[ "\$1" = wait ] || exit "\$1"
trap 'echo stop >>"$scratch/told"; exit 75' USR2
trap 'echo save >>"$scratch/told"' USR1
[ "\$2" = deaf ] && trap 'echo deaf >>"$scratch/told"' USR2
touch "$scratch/waiting.\$OMPI_COMM_WORLD_RANK"
for _ in \$(seq 600); do sleep 0.1; done
exit 70
END
chmod +x "$TRELLIS_BIN/trellis"

say_test "ranks beyond the cores, as this user, unbound; the exit code is the program's"
for ranks in 1 4; do
  run 0 "${launch[@]}" -n "$ranks" trellis 0 --flag "two words"
  equal "$(grep -c "of $ranks: 0 --flag two words" "$scratch/output")" "$ranks"
done
run 75 "${launch[@]}" -n 2 trellis 75
run 3 "${launch[@]}" "$TRELLIS_BIN/trellis" 3

# signalled SIGNAL [deaf]: what the ranks of a run that gets it are told, and its exit code
signalled() {
  rm -f "$scratch"/told "$scratch"/waiting.*
  set -m  # else what starts in the background ignores SIGINT
  "${launch[@]}" -n 2 trellis wait "${2:-}" >"$scratch/output" 2>&1 </dev/null &
  set +m
  local pid=$! status=0
  wait_for "$scratch/waiting.0"
  wait_for "$scratch/waiting.1"
  kill "-$1" "$pid"
  if [ "$1" = USR1 ] || [ -n "${2:-}" ]; then
    wait_for "$scratch/told"
    sleep 3.5  # less is the same request
    kill -TERM "$pid"
  fi
  wait "$pid" || status=$?
  echo "$status $(sort "$scratch/told" 2>/dev/null | tr '\n' ' ')"
}
for signal in TERM INT HUP; do
  say_test "SIG$signal asks every rank to stop"
  equal "$(signalled "$signal")" "75 stop stop "
done
say_test "SIGUSR1 reaches every rank, and the run goes on"
equal "$(signalled USR1)" "75 save save stop stop "
say_test "a second one ends ranks that do not listen"
case $(signalled TERM deaf) in "75 "* | "0 "* | "70 "*) broken "the ranks were not ended" ;; esac

say_test "what cannot be started"
run 66 "${launch[@]}" -n 2 trellis-nothing
says "there is no program 'trellis-nothing'"
run 2 "${launch[@]}" -n 0 trellis 0
says "must be at least 1"
run 2 "${launch[@]}" --hosts a trellis 0
says "unknown option"
run 2 "${launch[@]}"
says "no program is given"
run 0 "${launch[@]}" --help
says "usage: launch/run"
echo "all passed"
