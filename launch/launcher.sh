# What starts ranks on this machine: which mpirun, of which kind, and how that kind is told what one machine needs. Sourced by
# launch/, cluster/ and the tests (CMake's included), and without need of common.sh. This is the one place that knows launchers'
# flags and variables; whatever starts ranks asks it.
#
# All of it is said by environment variables, which an mpirun typed by hand honours as well, whatever its other words; a variable that
# is set already stays as it is.
# shellcheck shell=bash
# shellcheck disable=SC2034  # what find_launcher sets is for those that source this file

# Needs: more ranks than cores; no binding to cores, of which two ranks would get one each on a machine of many (the program deals
# the cores out itself); idle ranks that leave a shared core to the others; root, as in a container; a machine without ssh; no
# complaint at every start where the network has both IPv4 and IPv6; no banner when ranks end with another code than 0; a place for
# the launcher's own files. A minus: that kind does without, or cannot.
launcher_table='
need           Open MPI 4, which is ORTE                 Open MPI 5, which is PRRTE
oversubscribe  OMPI_MCA_rmaps_base_oversubscribe=1       PRTE_MCA_rmaps_default_mapping_policy=:oversubscribe
unbound        OMPI_MCA_hwloc_base_binding_policy=none   PRTE_MCA_hwloc_default_binding_policy=none
yield          OMPI_MCA_mpi_yield_when_idle=1            OMPI_MCA_mpi_yield_when_idle=1
root           OMPI_ALLOW_RUN_AS_ROOT=1                  OMPI_ALLOW_RUN_AS_ROOT=1
root           OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1          OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
without_ssh    OMPI_MCA_plm=isolated                     -
reachable      -                                         OMPI_MCA_reachable=weighted
quiet          OMPI_MCA_orte_execute_quiet=1             -
files_in       OMPI_MCA_orte_tmpdir_base=                PRTE_MCA_prte_tmpdir_base=
'

# find_launcher: sets `mpirun` (a path), `launcher_kind` (open-mpi-4 or open-mpi-5) and `launcher_name` (with its version, for
# people). Where there is none that will do it fails, with the reason in `launcher_fault` and `launcher_fix`, and an exit code, 66 if
# there is none at all and 78 otherwise, in `launcher_code`. Mind that libraries and launcher must be of one kind: ranks of another
# would each be alone in the world.
find_launcher() {
  local said major
  mpirun=mpirun launcher_kind='' launcher_name='' launcher_code=66
  launcher_fix="launch/setup installs Open MPI, or says what is needed; MPI_HOME says where it is"
  if [ -n "${MPI_HOME:-}" ] && [ -x "$MPI_HOME/bin/mpirun" ]; then mpirun=$MPI_HOME/bin/mpirun; fi
  mpirun=$(command -v "$mpirun") || { launcher_fault="there is no mpirun"; return 1; }
  said=$("$mpirun" --version 2>&1 </dev/null) || true
  launcher_code=78
  launcher_fix="ranks are started by Open MPI 4 or 5, with which the programs must be built, too: install it (launch/setup) or name its folder in MPI_HOME, then launch/build"
  case $said in
    *"(Open MPI) "[0-9]*)
      launcher_name=${said#*"(Open MPI) "}
      launcher_name="Open MPI ${launcher_name%%[!0-9.a-z]*}"
      major=${launcher_name#Open MPI } major=${major%%[!0-9]*}
      if [ "$major" -ge 5 ]; then
        launcher_kind=open-mpi-5
      elif [ "$major" = 4 ]; then
        launcher_kind=open-mpi-4
      else
        launcher_fault="$mpirun is $launcher_name, which is too old"
        return 1
      fi
      return 0
      ;;
    *HYDRA*) launcher_name="MPICH's Hydra" ;;
    *"Intel(R) MPI"*) launcher_name="Intel MPI" ;;
    *) launcher_name="of a kind that is not known here (its --version says '${said%%$'\n'*}')" ;;
  esac
  launcher_fault="$mpirun is $launcher_name"
  return 1
}

# launcher_variables NEED...: what the launcher found wants for them, one VARIABLE=VALUE a line
launcher_variables() {
  local need row_need four five assignment
  for need in "$@"; do
    while read -r row_need four five; do
      [ "$row_need" = "$need" ] || continue
      if [ "$launcher_kind" = open-mpi-4 ]; then assignment=$four; else assignment=$five; fi
      if [ "$assignment" != - ]; then echo "$assignment"; fi
    done <<<"$launcher_table"
  done
}

# local_needs: the needs of ranks on this machine, for this user
local_needs() {
  echo oversubscribe unbound yield reachable
  if [ "$(id -u)" = 0 ]; then echo root; fi
  if ! command -v ssh >/dev/null && ! command -v rsh >/dev/null; then echo without_ssh; fi
}

# set_launcher_variables NEED...: exports them, but for those that are set; `launcher_settings` is then what holds, as VARIABLE=VALUE
set_launcher_variables() {
  local assignment variable
  launcher_settings=()
  while read -r assignment; do
    variable=${assignment%%=*}
    if [ -z "${!variable+set}" ]; then export "${assignment?}"; fi
    launcher_settings+=("$variable=${!variable}")
  done < <(launcher_variables "$@")
}

# launcher_variable_names: of every variable of the table, for who wants none of them set
launcher_variable_names() { grep -oE '(OMPI|PRTE)_[A-Za-z_]+=' <<<"$launcher_table" | tr -d = | sort -u; }
