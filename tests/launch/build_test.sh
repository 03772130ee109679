#!/usr/bin/env bash
# launch/build and launch/clean: what reaches cmake, what cmake's failure looks like, and what cleaning removes. cmake and ninja
# are stand-ins here: the real build is what all other tests run on.

# shellcheck disable=SC2154  # scratch and clone come from helpers.sh
# shellcheck source=helpers.sh
source "$(dirname "${BASH_SOURCE[0]}")/helpers.sh"
fake_libtorch "$scratch/libtorch" 2.11.0
build=("$clone/launch/build" --no-packages --libtorch "$scratch/libtorch")
stand_in cmake <<END
printf '%s\n' "\$*" >>"$scratch/calls"
END
stand_in ninja <<<'exit 0'
calls() { cat "$scratch/calls"; rm "$scratch/calls"; }
called() { grep -qF -- "$1" <<<"$all" || broken "cmake was not called with '$1', but: $all"; }
called_not() { ! grep -qF -- "$1" <<<"$all" || broken "cmake was called with '$1': $all"; }

say_test "presets, targets and the way to LibTorch reach cmake"
run 0 "${build[@]}" --cpu
all=$(calls)
called "--preset release" && called "-DTRELLIS_LIBTORCH=$scratch/libtorch" && called "-DTRELLIS_CUDA=OFF" && called "--build $clone/build"
called "-DTRELLIS_WERROR=OFF"
called_not "--target"
says "the programs are in $clone/build/bin"
run 0 "${build[@]}" --cpu --strict --preset asan-ubsan trellis parity
all=$(calls)
called "-DTRELLIS_WERROR=ON"
called "--preset asan-ubsan" && called "--build $clone/build-asan-ubsan" && called "--target trellis parity"

say_test "MPI_HOME, HDF5_ROOT and CMAKE_PREFIX_PATH reach cmake, and a changed one starts cmake's cache afresh"
run 0 env MPI_HOME=/opt/mpi HDF5_ROOT=/opt/hdf5 CMAKE_PREFIX_PATH=/opt/a:/opt/b TRELLIS_JOBS=3 "${build[@]}" --cpu
all=$(calls)
called "-DMPI_HOME=/opt/mpi" && called "-DHDF5_ROOT=/opt/hdf5" && called "-DCMAKE_PREFIX_PATH=/opt/a;/opt/b" && called "--fresh" && called "--parallel 3"
run 0 env MPI_HOME=/opt/mpi HDF5_ROOT=/opt/hdf5 CMAKE_PREFIX_PATH=/opt/a:/opt/b "${build[@]}" --cpu
all=$(calls)
called_not "--fresh"

say_test "nvcc and a LibTorch with CUDA make a CUDA build, unless --cpu"
stand_in nvcc <<<'echo "Cuda compilation tools, release 13.0, V13.0.88"'
touch "$scratch/libtorch/lib/libtorch_cuda.so"
run 0 "${build[@]}"
all=$(calls)
called "-DTRELLIS_CUDA=ON"
run 0 "${build[@]}" --cpu
all=$(calls)
called "-DTRELLIS_CUDA=OFF"

say_test "failures: cmake's own words and 78, the compiler's and 70, wrong flags 2, an old LibTorch 78"
stand_in cmake <<<'echo "CMake Error: no HDF5"; exit 1'
run 78 "${build[@]}" --cpu
says "CMake Error: no HDF5" "could not configure" "configure.log"
stand_in cmake <<<'case $1 in --build) echo "error: expected ;"; exit 1 ;; esac'
run 70 "${build[@]}" --cpu
says "error: expected ;" "compiling failed"
run 2 "${build[@]}" --preset fast
says "unknown preset 'fast'"
run 2 "${build[@]}" --fast
says "unknown option or argument '--fast'"
fake_libtorch "$scratch/older" 2.10.0
run 78 "$clone/launch/build" --no-packages --cpu --libtorch "$scratch/older"
says "2.11 is needed"

say_test "clean removes what was made, and nothing else"
mkdir -p "$clone"/build-own "$clone"/runs/{quickstart-1,mine} "$clone"/data/{kjv,mine} "$clone"/downloads/quickstart-kjv "$XDG_CACHE_HOME/trellis/libtorch-2.11.0-cpu"
run 0 "$clone/launch/clean"
says "removing $clone/build" "removing $clone/build-asan-ubsan"
exists_not "$clone/build" "$clone/build-asan-ubsan"
exists "$clone/build-own" "$clone/runs/quickstart-1" "$clone/data/kjv" "$XDG_CACHE_HOME/trellis/libtorch-2.11.0-cpu"
run 0 "$clone/launch/clean" --all
exists_not "$clone/runs/quickstart-1" "$clone/data/kjv" "$clone/downloads"
exists "$clone/build-own" "$clone/runs/mine" "$clone/data/mine" "$XDG_CACHE_HOME/trellis/libtorch-2.11.0-cpu" "$clone/launch/clean"
run 0 "$clone/launch/clean" --cache
exists_not "$XDG_CACHE_HOME/trellis"
run 0 "$clone/launch/clean" --all --cache
run 2 "$clone/launch/clean" --everything
echo "all passed"
