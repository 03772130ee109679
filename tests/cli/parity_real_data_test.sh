#!/usr/bin/env bash
# Replays every parity file of a folder of yours, in both precisions; published_NAME.h5 with the weights that lie beside it.
# From ctest: BUILD_BIN. TRELLIS_PARITY_DATA names the folder; without it the files in tests/parity are replayed, so that the
# test never does nothing.
set -u
program="${BUILD_BIN:?}/parity"
folder="${TRELLIS_PARITY_DATA:-${SOURCE_DIR:?}/tests/parity}"
failures=0 passed=0

for file in "$folder"/*.h5; do
  weights=()
  case "$(basename "$file")" in published_*) weights=(--weights "${file%.h5}.safetensors") ;; esac
  for dtype in float64 float32; do
    if output="$("$program" --quiet --dtype "$dtype" "${weights[@]}" "$file" 2>&1)"; then
      passed=$((passed + 1))
    else
      echo "FAILED: $file, $dtype: $output"
      failures=$((failures + 1))
    fi
  done
done
echo "$passed passed, $failures failed in $folder"
if [ "$passed" = 0 ]; then
  echo "FAILED: no parity file was replayed"
  exit 1
fi
[ "$failures" = 0 ]
