#!/bin/bash
# The collective writer under each of Open MPI's file components that are installed: its own (the default) with every way of collective
# buffering and with none, and romio, which Open MPI prefers on Lustre. Ranks with nothing to write take part in all of them.
set -u
# shellcheck source=file_components.sh
source "$SOURCE_DIR/tests/checkpoint/file_components.sh"
program=${BUILD_BIN%/bin}/tests/writer_mpi_test
mapfile -t components < <(file_components io | sed -n 's/^romio/OMPI_MCA_io=romio/p'; file_components fcoll | sed 's/^/OMPI_MCA_fcoll=/')
case " ${components[*]}" in *" OMPI_MCA_io=romio"*" OMPI_MCA_fcoll=individual"*) ;; *) echo "FAILED: components are missing: ${components[*]}"; exit 1 ;; esac
for component in "${components[@]}"; do
  if ! output=$(timeout 60 mpirun -n 3 env "$component" "$program" 2>&1); then
    printf 'FAILED: %s\n%s\n' "$component" "$output"
    exit 1
  fi
done
echo "written and read back under ${components[*]}"
