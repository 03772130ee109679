#!/usr/bin/env bash
# The commands of README.md and docs/ do what they say when typed in order: as this user and, where this is root and the kernel lets
# us, README's again as somebody who is not (in a user namespace, where the programs see another user).
set -euo pipefail
work=${WORK_DIR:?}/docs_run
mkdir -p "$work"
trap 'rm -rf "$work"' EXIT
# as a shell of a person has it: nothing of the tests' environment helps
# shellcheck source=../../launch/launcher.sh
source "$SOURCE_DIR/launch/launcher.sh"
# shellcheck disable=SC2046  # a word each
unset OMP_NUM_THREADS $(launcher_variable_names)
check=(python3 "$SOURCE_DIR/tests/launch/docs_run.py" "$SOURCE_DIR" "$BUILD_BIN" "$work")
"${check[@]}"
if [ "$(id -u)" != 0 ]; then exit 0; fi
if ! unshare --user true 2>/dev/null; then
  echo "not run as an ordinary user: there are no user namespaces here"
  exit 0
fi
echo "as an ordinary user"
unshare --user "${check[@]}" README.md
