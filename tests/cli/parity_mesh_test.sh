#!/bin/bash
# Every parity file on meshes of 1 to 4 ranks under mpirun, within the limits of one rank; bad meshes are refused.
# shellcheck disable=SC2034,SC2154
source "$SOURCE_DIR/tests/train/run_helpers.sh"
parity=$BUILD_BIN/parity
models=() all=()
for file in "$SOURCE_DIR"/tests/parity/*.h5; do
  case $file in
    *published*) ;;
    *classifier*) all+=("$file") ;;
    *) all+=("$file") models+=("$file") ;;
  esac
done

# replays RANKS MESH COUNT FILE...: all pass, told once
replays() {
  local count=$1 mesh=$2 expected=$3
  shift 3
  expect 0 timeout "$limit" mpirun -n "$count" "$parity" --quiet --mesh "$mesh" "$@" || return
  [ "$(grep -c ' passed: ' output)" = "$expected" ] || { fail "$mesh: expected $expected files that pass"; cat output; }
}

for mesh in "1 1,1,replicated,3" "2 1,2,replicated,2" "2 1,2,stages,7" "2 2,1,world,1" "3 1,3,stages,3" "3 3,1,world,1" "4 2,2,world,3" \
  "4 2,2,stages,1" "4 1,4,2,2" "4 4,1,replicated,1"; do
  read -r count words <<< "$mesh"
  replays "$count" "$words" "${#models[@]}" "${models[@]}"
done
for count in 1 2 4; do replays "$count" "$count,1,replicated,1" "${#all[@]}" "${all[@]}"; done
replays 4 2,2,world,3 "${#models[@]}" --dtype float32 "${models[@]}"
if [ -d "${TRELLIS_PARITY_DATA:-}" ]; then
  given=()
  for file in "$TRELLIS_PARITY_DATA"/*.h5; do
    case $file in *published* | *classifier* | *mnist*) ;; *) given+=("$file") ;; esac
  done
  replays 4 2,2,world,3 "${#given[@]}" "${given[@]}"
fi

refuse 2 "3 parts, expected 4" "$parity" --mesh 2,2,world "${models[0]}"
refuse 2 "'all', expected replicated, stages, world" "$parity" --mesh 1,1,all,1 "${models[0]}"
refuse 2 "'0', expected a whole number" "$parity" --mesh 1,1,1,0 "${models[0]}"
refuse 78 "makes 4 ranks, but 2 are running" mpirun -n 2 "$parity" --mesh 2,2,world,1 "${models[0]}"
finish "parity on any mesh"
