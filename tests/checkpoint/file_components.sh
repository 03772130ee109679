# Which of Open MPI's components for files are installed: their names differ between its releases. Sourced.
# shellcheck shell=bash

# file_components FRAMEWORK: of io (ompio, and one romio) or fcoll (ways of collective buffering), one a line
file_components() { ompi_info --parsable | sed -n "s/^mca:$1:\([^:]*\):version:.*/\1/p" | sort -u; }
