# Runs ranks on this machine and passes on to them what people and batch systems ask by signals. Sourced, after common.sh and
# launcher.sh, by launch/run and launch/quickstart.
#
# An mpirun that gets SIGTERM, SIGINT or SIGHUP kills its ranks, in a second or two (Open MPI 4) or in half a second (5), which is too
# soon for a checkpoint. SIGUSR2 and SIGUSR1 it forwards. So it runs in a process group of its own, where no terminal's signal reaches
# it, and
#
#   SIGTERM, SIGINT, SIGHUP, SIGUSR2   come to the ranks as SIGUSR2, on which a run stops with a checkpoint and exit code 75
#   SIGUSR1                            comes to them as it is: a checkpoint, and on
#   SIGQUIT                            ends them by force; so do a second request to stop and, after the first, `grace` seconds
#
# A signal that comes early waits: SIGUSR2 would kill a rank that does not listen to it yet, and would be lost on an mpirun that has not
# started its ranks. Programs of this project listen before anything else; of one that does not within `patience` seconds of the
# request, the signal does what it does.
# shellcheck shell=bash
# shellcheck disable=SC2034  # ranks_status is for those that source this file

grace=120         # seconds from a request to stop to the end by force
patience=20       # seconds
same_request=2    # seconds in which signals are one request: timeout sends two, and so do a shell and its terminal when they end
stop_requests=0   # how many came
signals_taken=0
asked_at=0 ended_by_force=no
ranks_process='' stopper=''

# take_requests: from here on signals are requests. Those that come before start_ranks are answered by it.
take_requests() {
  trap 'take_stop_request' INT TERM HUP USR2
  trap 'signals_taken=$((signals_taken + 1)); stop_requests=$((stop_requests + 1)); force_end "asked by SIGQUIT"' QUIT
  trap 'signals_taken=$((signals_taken + 1)); take_checkpoint_request' USR1
  trap : PIPE  # who reads what this shell says may have gone
}

# Between two commands of the shell, or in its wait for the ranks; so what takes time is done beside, in a process group that no
# signal reaches.
take_stop_request() {
  signals_taken=$((signals_taken + 1)) stop_requests=$((stop_requests + 1))
  local now
  read_clock now
  if [ "$stop_requests" = 1 ]; then
    asked_at=$now
    begin_stop
  elif [ $((now - asked_at)) -gt $((same_request * 1000000)) ]; then
    force_end "asked again"
  fi
}

# read_clock VARIABLE: microseconds; whole seconds in a bash before 5
read_clock() {
  local clock_text=${EPOCHREALTIME:-$SECONDS.000000}
  printf -v "$1" %s "${clock_text//[.,]/}"
}
# is_over TIME: of read_clock's
is_over() {
  local time
  read_clock time
  [ "$time" -ge "$1" ]
}
# time_in VARIABLE SECONDS: the time so many seconds from now
time_in() {
  read_clock "$1"
  printf -v "$1" %s $((${!1} + $2 * 1000000))
}

take_checkpoint_request() { if [ -n "$ranks_process" ]; then beside pass_on USR1 10; fi; }
begin_stop() { if [ -n "$ranks_process" ] && [ -z "$stopper" ]; then beside stop_within_grace; stopper=$!; fi; }
force_end() {
  if [ -n "$ranks_process" ] && [ "$ended_by_force" = no ]; then
    ended_by_force=yes
    beside end_by_force "$1"
  fi
}

# beside FUNCTION WORD...: in the background, in a process group of its own
beside() {
  set -m
  "$@" </dev/null &
  set +m
}

ranks_run() { kill -0 "$ranks_process" 2>/dev/null; }

# listens PID NUMBER: whether the process catches, blocks or ignores the signal
listens() {
  local key value rest mask=0
  while read -r key value rest; do
    case $key in SigBlk: | SigIgn: | SigCgt:) mask=$((mask | 16#$value)) ;; esac
  done 2>/dev/null <"/proc/$1/status" || true
  [ $(((mask >> ($2 - 1)) & 1)) = 1 ]
}

# rank_processes: mpirun's children; what it has only forked, and is itself still, is none
rank_processes() {
  local folder stat state parent rest
  for folder in /proc/[0-9]*; do
    read -r stat 2>/dev/null <"$folder/stat" || continue
    read -r state parent rest <<<"${stat##*) }"
    if [ "$parent" = "$ranks_process" ] && [ "$state" != Z ] && ! [ "$folder/exe" -ef "/proc/$ranks_process/exe" ]; then echo "${folder##*/}"; fi
  done
}

# all_listen NUMBER: whether mpirun and every rank listen to that signal
all_listen() {
  local process count=0
  listens "$ranks_process" "$1" || return 1
  for process in $(rank_processes); do
    listens "$process" "$1" || return 1
    count=$((count + 1))
  done
  [ "$count" -ge "$ranks_started" ]
}

# pass_on NAME NUMBER: the signal, when the ranks listen
pass_on() {
  local end
  time_in end "$patience"
  until all_listen "$2" || is_over "$end" || ! ranks_run; do sleep 0.1; done
  kill "-$1" "$ranks_process" 2>/dev/null || true
}

# stop_within_grace: fails when the ranks had to be ended by force
stop_within_grace() {
  local end
  time_in end "$grace"
  pass_on USR2 12
  while ranks_run; do
    if is_over "$end"; then
      end_by_force "they have not stopped within $grace s"
      return 1
    fi
    sleep 0.1
  done
}

# end_by_force WHY: mpirun ends its ranks within two seconds and clears up behind them; what is still there after five more is killed
end_by_force() {
  local processes end
  time_in end 7
  warn "$1: the ranks are ended by force" || true
  processes=$(rank_processes)
  kill -TERM "$ranks_process" 2>/dev/null || true
  while ranks_run && ! is_over "$end"; do sleep 0.1; done
  # shellcheck disable=SC2086  # one word each
  if ranks_run; then kill -KILL "$ranks_process" $processes 2>/dev/null || true; fi
}

# relay: what is said, passed on for as long as somebody reads it, and taken after that: an mpirun whose words nobody takes kills its ranks
relay() {
  trap '' INT TERM HUP QUIT USR1 USR2 PIPE
  cat 2>/dev/null || cat >/dev/null
}
is_pipe() { [ -p "/dev/fd/$1" ] || [ -S "/dev/fd/$1" ]; }

# start_ranks RANKS COMMAND...: the command is mpirun with all its words. Sets `ranks_status`, the exit code: the ranks', 137 when they
# were ended by force, and 75 when a request to stop came before anything was begun; `stop_requests` is how many came.
start_ranks() {
  local handled=-1 before=0 out=1 err=2 relay relays=()
  export TRELLIS_LAUNCHER=$root/launch/run  # what a run says to go on with
  ranks_started=$1 ranks_status=0
  shift
  take_requests
  if [ "$stop_requests" -gt 0 ]; then
    ranks_status=$exit_stopped_early
    return
  fi
  if is_pipe 1; then exec {out}> >(relay); relays+=($!); fi
  if is_pipe 2 && [ "$out" != 1 ] && [ /dev/fd/1 -ef /dev/fd/2 ]; then
    err=$out
  elif is_pipe 2; then
    exec {err}> >(relay >&2); relays+=($!)
  fi
  set -m
  # who reads a terminal in the background is stopped
  if [ -t 0 ]; then "$@" </dev/null 1>&"$out" 2>&"$err" & else "$@" <&0 1>&"$out" 2>&"$err" & fi
  ranks_process=$!
  set +m
  if [ "$out" != 1 ]; then exec {out}>&-; fi
  if [ "$err" != 2 ] && [ "$err" != "$out" ]; then exec {err}>&-; fi
  if [ "$stop_requests" -gt 0 ]; then begin_stop; fi  # one that came since
  while [ "$handled" != "$signals_taken" ]; do  # a signal ends `wait` before the ranks do
    handled=$signals_taken before=$ranks_status ranks_status=0
    wait "$ranks_process" || ranks_status=$?
    if [ "$ranks_status" = 127 ] && [ "$handled" -gt 0 ]; then ranks_status=$before; fi
  done
  if [ -n "$stopper" ]; then wait "$stopper" || ended_by_force=yes; fi
  if [ "$ended_by_force" = yes ]; then ranks_status=$exit_ended_by_force; fi
  for relay in "${relays[@]}"; do
    while kill -0 "$relay" 2>/dev/null; do wait "$relay" || true; done  # all is said; a signal ends `wait` before
  done
  ranks_process=''
  trap - INT TERM HUP USR1 USR2 QUIT
}
