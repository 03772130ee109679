#!/usr/bin/env bash
# launch/run: ranks on this machine with a stand-in program, under whichever Open MPI is installed. Exit codes come through; what would
# make mpirun kill its ranks comes to them as a request to stop, whenever it comes, and has a limit. Each launcher is known by what it
# says of itself, and told what it understands. With training: tests/launch/run_signals_test.sh.

# shellcheck disable=SC2154  # scratch and clone come from helpers.sh
# shellcheck source=helpers.sh
source "$(dirname "${BASH_SOURCE[0]}")/helpers.sh"
mkdir "$scratch/programs"
export TRELLIS_BIN=$scratch/programs
launch=("$clone/launch/run")

# Ends with the code given; with "wait" it waits to be told to stop, and notes what it was told. "late" listens after a second only, and
# "deaf" does not do as it is told.
cat >"$TRELLIS_BIN/trellis" <<END
#!/usr/bin/env bash
echo "rank \$OMPI_COMM_WORLD_RANK of \$OMPI_COMM_WORLD_SIZE: \$*"
[ "\$1" = wait ] || exit "\$1"
touch "$scratch/started.\$OMPI_COMM_WORLD_RANK"
[ "\$2" != late ] || sleep 1
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

say_test "a colon is a word like others, and a builtin of the shell is no program"
run 0 "${launch[@]}" -n 2 trellis 0 : "two words"
says "of 2: 0 : two words"
for word in help cd start_ranks; do
  run 66 "${launch[@]}" "$word"
  says "there is no program '$word'"
done

say_test "a reader that goes away ends nothing"
cat >"$TRELLIS_BIN/talks" <<END
#!/usr/bin/env bash
for n in \$(seq 40); do echo "line \$n"; echo "line \$n" >&2; sleep 0.05; done
touch "$scratch/talked.\$OMPI_COMM_WORLD_RANK"
exit 3
END
chmod +x "$TRELLIS_BIN/talks"
for streams in 1 2; do
  rm -f "$scratch"/talked.*
  if [ "$streams" = 2 ]; then { "${launch[@]}" -n 2 talks 2>&1; echo $? >"$scratch/status"; } </dev/null | head -n 1 >/dev/null
  else { "${launch[@]}" -n 2 talks 2>/dev/null; echo $? >"$scratch/status"; } </dev/null | head -n 1 >/dev/null; fi || true
  equal "$(cat "$scratch/status")" 3
  exists "$scratch/talked.0" "$scratch/talked.1"
done

say_test "a rank that is killed is told"
cat >"$TRELLIS_BIN/dies" <<END
#!/usr/bin/env bash
[ "\$OMPI_COMM_WORLD_RANK" = 1 ] && kill -KILL \$\$
sleep 20
END
chmod +x "$TRELLIS_BIN/dies"
run 137 "${launch[@]}" -n 2 dies
says "a rank was ended by SIGKILL"

say_test "CDPATH changes nothing"
(cd "$scratch" && CDPATH=$scratch run 0 clone/launch/run trellis 0)

# begin WORD...: launch/run with them, in the background as `launched`
begin() {
  rm -f "$scratch"/told "$scratch"/waiting.* "$scratch"/started.*
  set -m  # else what starts in the background ignores SIGINT
  "${launch[@]}" "$@" >"$scratch/output" 2>&1 </dev/null &
  set +m
  launched=$!
}
# ended: sets `outcome`, its exit code and what the ranks were told; none of them is left
ended() {
  local status=0
  wait "$launched" || status=$?
  if pgrep -f "$TRELLIS_BIN/trellis wait" >/dev/null; then broken "ranks are left"; fi
  touch "$scratch/told"
  outcome="$status $(sort "$scratch/told" | tr "\n" " ")"
}
# signalled SIGNAL: a run that gets it when its ranks wait
signalled() {
  begin -n 2 trellis wait ready
  wait_for "$scratch/waiting.0"
  wait_for "$scratch/waiting.1"
  kill "-$1" "$launched"
  if [ "$1" = USR1 ]; then
    wait_for "$scratch/told"
    sleep 0.5
    kill -TERM "$launched"
  fi
  ended
}
for signal in TERM INT HUP USR2; do
  say_test "SIG$signal asks every rank to stop"
  signalled "$signal"
  equal "$outcome" "75 stop stop "
done
say_test "SIGUSR1 reaches every rank, and the run goes on"
signalled USR1
equal "$outcome" "75 save save stop stop "

say_test "ranks that do not listen yet are asked when they do; two signals at once are one request"
begin -n 2 trellis wait late
wait_for "$scratch/started.0"
kill -TERM "$launched"
kill -HUP "$launched"
ended
equal "$outcome" "75 stop stop "
say_test "at any moment of the start: every rank is asked, or nothing is begun"
for moment in 0/TERM 0.005/INT 0.01/HUP 0.015/TERM 0.02/INT 0.03/HUP 0.04/TERM 0.06/INT 0.1/HUP 0.2/TERM; do
  signal=${moment#*/}
  begin -n 2 trellis wait ready
  sleep "${moment%/*}"
  kill "-$signal" "$launched"
  ended
  case $outcome in
    "75 stop stop " | "75 ") ;;
    "$((128 + $(kill -l "$signal"))) ")  # the shell had not read the script yet
      exists_not "$scratch/started.0" "$scratch/started.1" ;;
    *) broken "SIG$signal after ${moment%/*} s: $outcome" ;;
  esac
done

say_test "ranks that do not do as they are told are ended when --grace is over, or when asked again, which takes more than two seconds"
begin -n 2 --grace 1 trellis wait deaf
wait_for "$scratch/waiting.0"
wait_for "$scratch/waiting.1"
kill -TERM "$launched"
ended
equal "$outcome" "137 deaf deaf "
says "have not stopped within 1 s: the ranks are ended by force"
begin -n 2 trellis wait deaf
wait_for "$scratch/waiting.0"
wait_for "$scratch/waiting.1"
kill -INT "$launched"
wait_for "$scratch/told"
kill -INT "$launched"
sleep 4
kill -0 "$launched" || broken "two signals at once end the ranks by force"
kill -INT "$launched"
ended
equal "$outcome" "137 deaf deaf "
says "asked again: the ranks are ended by force"
begin -n 2 trellis wait deaf
wait_for "$scratch/waiting.0"
kill -QUIT "$launched"
ended
case $outcome in "137 "*) ;; *) broken "SIGQUIT does not end the ranks" ;; esac

say_test "words of trellis need no name of it"
run 0 "${launch[@]}" -n 1 --dry-run train --config x
says "mpirun -n 1 $TRELLIS_BIN/trellis train --config x"

# fake_launcher: an mpirun that says of itself what stands on stdin, and must not be started
fake_launcher() { { echo '[ "$*" = --version ] || exit 99'; echo 'cat <<"END"'; cat; echo END; } | stand_in mpirun; }
settings() { tr ' ' '\n' <"$scratch/output" | sed -n '/=/p' | grep -v ALLOW_RUN | tr '\n' ' '; }
no_ssh() {
  mkdir -p "$scratch/no-ssh"
  for tool in bash env dirname cat id; do ln -sf "$(command -v "$tool")" "$scratch/no-ssh/"; done
  PATH=$scratch/no-ssh run "$@"
}

say_test "Open MPI 4 is told by its own variables"
fake_launcher <<<'mpirun (Open MPI) 4.1.4

Report bugs to http://www.open-mpi.org/community/help/'
run 0 "${launch[@]}" -n 3 --dry-run trellis 0 "two words"
says "$scratch/bin/mpirun -n 3 $TRELLIS_BIN/trellis 0 two\\ words"
equal "$(settings)" "OMPI_MCA_rmaps_base_oversubscribe=1 OMPI_MCA_hwloc_base_binding_policy=none OMPI_MCA_mpi_yield_when_idle=1 OMPI_MCA_orte_execute_quiet=1 "
no_ssh 0 "${launch[@]}" --dry-run trellis 0
says " OMPI_MCA_plm=isolated "
say_test "and Open MPI 5 by PRRTE's"
for version in 5.0.7 5.0.0rc12 6.1.0; do
  fake_launcher <<<"mpirun (Open MPI) $version"
  run 0 "${launch[@]}" -n 3 --dry-run trellis 0
  equal "$(settings)" "PRTE_MCA_rmaps_default_mapping_policy=:oversubscribe PRTE_MCA_hwloc_default_binding_policy=none OMPI_MCA_mpi_yield_when_idle=1 OMPI_MCA_reachable=weighted "
done
no_ssh 0 "${launch[@]}" --dry-run trellis 0
says_not "plm"
say_test "what is set already stays"
run 0 env PRTE_MCA_hwloc_default_binding_policy=core "${launch[@]}" --dry-run trellis 0
says " PRTE_MCA_hwloc_default_binding_policy=core "
if [ "$(id -u)" = 0 ]; then says "OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 "; fi
say_test "other launchers are refused, with what is needed"
refused() {
  run 78 "${launch[@]}" -n 2 trellis 0
  says "$scratch/bin/mpirun is $1" "ranks are started by Open MPI 4 or 5" "MPI_HOME"
}
fake_launcher <<'END'
HYDRA build details:
    Version:                                 4.0.2
    Release Date:                            Thu Apr  7 12:34:45 CDT 2022
    CC:                              gcc -g -O2
END
refused "MPICH's Hydra"
fake_launcher <<'END'
Intel(R) MPI Library for Linux* OS, Version 2021.11 Build 20231005 (id: 74c4a23)
Copyright 2003-2023, Intel Corporation.
END
refused "Intel MPI"
fake_launcher <<<'mpirun (Open MPI) 3.1.3'
refused "Open MPI 3.1.3, which is too old"
fake_launcher <<<'jsrun version 1.2'
refused "of a kind that is not known here (its --version says 'jsrun version 1.2')"
say_test "MPI_HOME names another"
mkdir -p "$scratch/mpi/bin"
mv "$scratch/bin/mpirun" "$scratch/mpi/bin/mpirun"
sed -i 's/jsrun version 1.2/mpirun (Open MPI) 5.0.7/' "$scratch/mpi/bin/mpirun"
run 0 env MPI_HOME="$scratch/mpi" "${launch[@]}" --dry-run trellis 0
says "$scratch/mpi/bin/mpirun -n 1"

say_test "what cannot be started"
run 66 "${launch[@]}" -n 2 trellis-nothing
says "there is no program 'trellis-nothing'"
run 2 "${launch[@]}" -n 0 trellis 0
says "must be at least 1"
run 2 "${launch[@]}" --hosts a trellis 0
says "unknown option"
run 2 "${launch[@]}"
says "no program is given"
run 2 "${launch[@]}" --grace x trellis 0
says "must be a whole number"
run 0 "${launch[@]}" --help
says "usage: launch/run" "--grace SECONDS" "--dry-run"
echo "all passed"
