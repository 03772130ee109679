#!/bin/bash
# The collective writer under each of Open MPI's file components: its own (the default) with and without collective
# buffering, and romio, which Open MPI prefers on Lustre. Ranks with nothing to write take part in all of them.
set -u
program=${BUILD_BIN%/bin}/tests/writer_mpi_test
for component in OMPI_MCA_io=romio321 OMPI_MCA_fcoll=individual OMPI_MCA_fcoll=two_phase; do
  if ! output=$(timeout 60 mpirun -n 3 env "$component" "$program" 2>&1); then
    printf 'FAILED: %s\n%s\n' "$component" "$output"
    exit 1
  fi
done
echo "written and read back under every file component"
