#!/usr/bin/env bash
# The commands of README.md and docs/ do what they say when typed in order: as this user and, where this is root and the kernel lets
# us, README's again as somebody who is not (in a user namespace, where the programs see another user).
set -euo pipefail
work=${WORK_DIR:?}/docs_run
mkdir -p "$work"
trap 'rm -rf "$work"' EXIT
# as a shell of a person has it: nothing of the tests' environment helps
unset OMPI_MCA_rmaps_base_oversubscribe OMPI_MCA_hwloc_base_binding_policy OMPI_MCA_plm OMPI_ALLOW_RUN_AS_ROOT OMPI_ALLOW_RUN_AS_ROOT_CONFIRM \
  OMPI_MCA_mpi_yield_when_idle OMP_NUM_THREADS
check=(python3 "$SOURCE_DIR/tests/launch/docs_run.py" "$SOURCE_DIR" "$BUILD_BIN" "$work")
"${check[@]}"
if [ "$(id -u)" != 0 ]; then exit 0; fi
if ! unshare --user true 2>/dev/null; then
  echo "not run as an ordinary user: there are no user namespaces here"
  exit 0
fi
echo "as an ordinary user"
unshare --user "${check[@]}" README.md
