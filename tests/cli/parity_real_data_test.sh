#!/usr/bin/env bash
# Replays every parity file of a folder of yours, in both precisions; variants of the network that this version does not
# have must be refused by name. From ctest: BUILD_BIN. TRELLIS_PARITY_DATA names the folder; without it the files in
# tests/parity are replayed, so that the test never does nothing.
set -u
program="${BUILD_BIN:?}/parity"
folder="${TRELLIS_PARITY_DATA:-${SOURCE_DIR:?}/tests/parity}"
failures=0 passed=0 refused=0

for file in "$folder"/*.h5; do
  case "$(basename "$file")" in published_*) continue ;; esac  # another format: weights under other names lie beside
  for dtype in float64 float32; do
    output="$("$program" --quiet --dtype "$dtype" "$file" 2>&1)" && code=0 || code=$?
    case "$code" in
      0) passed=$((passed + 1)) ;;
      78)
        refused=$((refused + 1))
        [[ "$output" == *"which this version does not have"* ]] || { echo "FAILED: $file: $output"; failures=$((failures + 1)); } ;;
      *)
        echo "FAILED: $file, $dtype: exit $code: $output"
        failures=$((failures + 1)) ;;
    esac
  done
done
echo "$passed passed, $refused refused, $failures failed in $folder"
if [ "$passed" = 0 ]; then
  echo "FAILED: no parity file was replayed"
  exit 1
fi
[ "$failures" = 0 ]
