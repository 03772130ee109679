#!/bin/bash
# kill -9 at random moments of writing, of one rank or of mpirun and all ranks at once: the newest complete checkpoint
# always loads, holds what was written, and is not older than the last one that the writer reported as finished.
set -u
program=${BUILD_BIN%/bin}/tests/checkpoint_program_mpi_test
work=$(mktemp -d "${TMPDIR:-/tmp}/trellis-killed-writer-XXXXXX")
trap 'rm -rf "$work"' EXIT
RANDOM=${SEED:-11}
rows=1501  # 6 MB
reported=0

for try in $(seq 10); do
  mpirun -n 2 "$program" write "$work/checkpoints" $((reported + 1)) 1000000 $rows > "$work/out" 2> "$work/err" &
  launcher=$!
  for _ in $(seq 300); do  # at least one checkpoint a try, however slow the machine is
    grep -q "^wrote" "$work/out" && break
    sleep 0.1
  done
  sleep "0.$((RANDOM % 400 + 100))"
  read -ra ranks < "/proc/$launcher/task/$launcher/children"
  if [ $((try % 2)) = 0 ]; then
    kill -9 "${ranks[RANDOM % 2]:-$launcher}"
  else
    kill -9 $launcher "${ranks[@]}"
  fi
  wait $launcher 2> /dev/null
  last=$(sed -n 's/^wrote //p' "$work/out" | tail -1)
  reported=${last:-$reported}
  newest=$("$program" newest "$work/checkpoints" $rows 2> "$work/warnings" | sed -n 's/^newest //p')
  if [ "$reported" -gt 0 ] && { [ -z "$newest" ] || [ "$newest" -lt "$reported" ] || [ "$newest" -gt $((reported + 1)) ]; }; then
    printf 'FAILED: try %s: the writer reported step %s, the newest that loads is "%s"\n' "$try" "$reported" "$newest"
    cat "$work/warnings"
    ls -A "$work/checkpoints"
    exit 1
  fi
  if [ -s "$work/warnings" ]; then
    printf 'FAILED: try %s: something damaged looks like a checkpoint\n' "$try"
    cat "$work/warnings"
    exit 1
  fi
  [ -n "$newest" ] && [ "$newest" -gt "$reported" ] && reported=$newest
done
if [ "$reported" -lt 10 ]; then
  echo "FAILED: $reported checkpoints in 10 tries, expected at least one each"
  exit 1
fi
echo "10 kills during $reported checkpoints: the newest always loaded"
