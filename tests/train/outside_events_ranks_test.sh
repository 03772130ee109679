#!/bin/bash
# The same under mpirun: requests to stop while the ranks start, a rank that stops or dies in its first second or at the very end, or
# has no memory, and errors that only one rank meets.
# shellcheck disable=SC2034,SC2154
source "$(dirname "${BASH_SOURCE[0]}")/run_helpers.sh"

corpus text 640
data=text
endless=(train.steps=100000000 log.every=5 valid.every=1000000)
command=("$trellis" train --config small.ini --data text)

# SIGUSR2, which mpirun forwards, while the ranks start
for delay in 0.5 0.9 1.5; do
  rm -rf start
  begin_ranks 2 start "${command[@]}" --run start "${endless[@]}"
  sleep "$delay"
  kill -USR2 "$process"
  ended 75 start
done
begin_ranks 2 one "${command[@]}" --run one "${endless[@]}"  # asked of one rank only
wait_until "$limit" has_step one 5
kill -TERM "$(rank_process 1)"
ended 75 one
[ -n "$(newest_of one)" ] || fail "one rank asked to stop: no checkpoint"

# a rank that stops before it has said a word to the others
for rank in 0 1; do
  begin_ranks 2 "early$rank" "${command[@]}" --run "early$rank" "${endless[@]}" mesh.timeout=2
  sleep 0.1
  kill -STOP "$(rank_process $rank)"
  ended 76 "early$rank"
  tells "early$rank" "watchdog: rank $((1 - rank)) on .* has waited for other ranks in MPI's start longer than 2000ms"
done

# and behind its last word: in its call of MPI_Finalize
mpicc -shared -fPIC -O1 -o stop_in_call.so "$SOURCE_DIR/tests/train/stop_in_call.c" || exit 1
begin_ranks 2 late env STOP_CALL=MPI_Finalize STOP_AT=1 STOP_RANK=1 STOP_PATH=late/checkpoints LD_PRELOAD="$work/stop_in_call.so" \
  "${command[@]}" --run late train.steps=2 mesh.timeout=2
wait_until "$limit" eval 'grep -q "\"event\":\"stop\"" late/metrics.jsonl 2> /dev/null'
ended 76 late
tells late "watchdog: rank 0 on .* has waited for other ranks in MPI's end longer than 2000ms"
last_event_of late | grep -q '"reason":"steps","exit_code":0' || fail "late: the last event is $(last_event_of late)"

# a rank without memory, by more and more of it: no code but those of a want of memory, and no hang
for kilobytes in 450000 560000 700000 800000; do
  rm -rf memory
  begin_ranks 2 memory bash -c '[ "$OMPI_COMM_WORLD_RANK" = 0 ] || ulimit -v '"$kilobytes"'; exec "$@"' bash "${command[@]}" --run memory train.steps=2 mesh.timeout=5
  wait_until "$limit" process_is_gone || { fail "$kilobytes kB: hangs"; end_process; }
  wait "$process"
  code=$?
  case $code in
    0 | 76 | 78) ;;
    2) grep -q "out of dynamic memory in opal" memory.log || fail "$kilobytes kB of memory: exit code 2" ;;  # Open MPI's own end
    *) fail "$kilobytes kB of memory: exit code $code"; cat memory.log ;;
  esac
done

# no thread for LibTorch's own, of which the first is the rendezvous store's
cc -shared -fPIC -O1 -o no_threads_for.so "$SOURCE_DIR/tests/train/no_threads_for.c" -ldl || exit 1
expect 78 mpirun -n 2 env NO_THREADS_FOR=libtorch_cpu LD_PRELOAD="$work/no_threads_for.so" "${command[@]}" --run threads train.steps=2
says "the system gives this process no more threads"

# the end is told by whoever can: by rank 0 of what all ranks know, else by the rank that ends the job, or by the watchdog
rm -rf error
expect 16 mpirun -n 2 "${command[@]}" --run error train.steps=5 optimizer.name=sgd optimizer.learning_rate=1e308 optimizer.clip=0
last_event_of error | grep -q '"event":"stop".*"reason":"error","exit_code":16' || fail "a numeric error: the last event is $(last_event_of error)"
begin_ranks 2 hung "${command[@]}" --run hung "${endless[@]}" mesh.timeout=2
wait_until "$limit" has_step hung 5
kill -STOP "$(rank_process 0)"
ended 76 hung
# not always as the last event: mpirun wakes the rank before it ends it, which may write down the step it was stopped in
grep -q '"event":"stop".*"reason":"error","exit_code":76' hung/metrics.jsonl || fail "a hung rank: the last event is $(last_event_of hung)"
[ "$(grep -c '"event":"stop"' hung/metrics.jsonl)" = 1 ] || fail "a hung rank: not one stop event"

finish "whatever happens outside, no rank waits for ever and nothing is lost"
