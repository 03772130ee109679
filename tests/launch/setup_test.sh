#!/usr/bin/env bash
# launch/setup: LibTorch in the cache (pins, lock, kill, space), one that the user points at, and packages without root.
# Nothing is downloaded: pip takes small stand-in wheels from a folder.

# shellcheck disable=SC2154  # scratch and clone come from helpers.sh
# shellcheck source=helpers.sh
source "$(dirname "${BASH_SOURCE[0]}")/helpers.sh"
setup=("$clone/launch/setup" --cpu --no-packages)

# wheels of the real names and versions with next to nothing in them, and a list that pins them
mkdir "$scratch/wheels"
python3 - "$scratch/wheels" <<'PYTHON'
import sys, zipfile
def wheel(name, version, tag, files):
    stem = name.replace("-", "_") + "-" + version
    with zipfile.ZipFile(f"{sys.argv[1]}/{stem}-{tag}.whl", "w") as z:
        for path, text in files.items():
            z.writestr(path, text)
        z.writestr(f"{stem}.dist-info/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        z.writestr(f"{stem}.dist-info/WHEEL", f"Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: {tag}\n")
        z.writestr(f"{stem}.dist-info/RECORD", "")
        z.writestr(f"{stem}.dist-info/licenses/LICENSE", "licence\n")
version = "".join(f"#define TORCH_VERSION_{p} {n}\n" for p, n in (("MAJOR", 2), ("MINOR", 11), ("PATCH", 0)))
wheel("torch", "2.11.0", "cp312-cp312-manylinux_2_28_x86_64", {
    "torch/lib/libtorch_cpu.so": "cpu", "torch/lib/libc10.so": "c10", "torch/lib/libtorch_cuda.so": "cuda",
    "torch/lib/libtorch_python.so": "python", "torch/nn/linear.py": "no", "torch/include/ATen/ATen.h": "//",
    "torch/include/torch/headeronly/version.h": version, "torch/share/cmake/Torch/TorchConfig.cmake": "#"})
wheel("nvidia-cuda-runtime", "13.0.96", "py3-none-manylinux_2_17_x86_64", {
    "nvidia/cu13/lib/libcudart.so.13": "cudart", "nvidia/cu13/lib/libcudart_static.a": "no", "nvidia/cu13/include/cuda.h": "//"})
PYTHON
pin() { printf '%s %s %s %s %s %s\n' cpu "$1" "$2" 1000 2000 "$(sha256sum "$scratch/wheels/$3"*.whl | cut -d' ' -f1)"; }
export TRELLIS_LIBTORCH_WHEELS=$scratch/list.txt PIP_NO_INDEX=1 PIP_FIND_LINKS=$scratch/wheels
{ pin torch 2.11.0 torch; pin nvidia-cuda-runtime 13.0.96 nvidia_cuda_runtime; } >"$scratch/list.txt"
home=$XDG_CACHE_HOME/trellis/libtorch-2.11.0-cpu

say_test "the processor's variant holds what a C++ program needs, and no more"
run 0 "${setup[@]}"
says "downloads" "$home" "ready to build for the CPU" "Needed, besides LibTorch 2.11"
exists "$home/torch/lib/libtorch_cpu.so" "$home/torch/lib/libc10.so" "$home/torch/include/ATen/ATen.h" \
  "$home/nvidia/cu13/lib/libcudart.so.13" "$home/torch-2.11.0.dist-info/licenses/LICENSE"
exists_not "$home/torch/lib/libtorch_cuda.so" "$home/torch/lib/libtorch_python.so" "$home/torch/nn" "$home/nvidia/cu13/include" \
  "$home/nvidia/cu13/lib/libcudart_static.a"
equal "$(find "$XDG_CACHE_HOME/trellis" -maxdepth 1 -name '.tmp-*' | wc -l)" 0

say_test "a second run downloads nothing"
stand_in unzip <<<'exit 99'
run 0 "${setup[@]}"
says "LibTorch is in $home"
says_not downloads

say_test "a kill during the unpacking leaves nothing half-filled, and the next run starts afresh"
rm -rf "$home" "$scratch/bin/unzip"
stand_in unzip <<END
"$(command -v unzip)" "\$@"; touch "$scratch/unpacking"; sleep 30
END
PATH=$scratch/bin:$PATH setsid "${setup[@]}" >"$scratch/killed" 2>&1 </dev/null &
killed=$!
wait_for "$scratch/unpacking"
kill -9 -- "-$killed"
wait "$killed" 2>/dev/null || true
exists_not "$home"
equal "$(find "$XDG_CACHE_HOME/trellis" -maxdepth 1 -name '.tmp-*' | wc -l)" 1
rm "$scratch/bin/unzip"
run 0 "${setup[@]}"
exists "$home/torch/lib/libtorch_cpu.so"
equal "$(find "$XDG_CACHE_HOME/trellis" -maxdepth 1 -name '.tmp-*' | wc -l)" 0

say_test "two at a time: the second waits, and does not unpack again"
rm -rf "$home" "$scratch/unpacking"
stand_in unzip <<END
"$(command -v unzip)" "\$@"; echo >>"$scratch/unpacking"; while [ ! -e "$scratch/go" ]; do sleep 0.05; done
END
PATH=$scratch/bin:$PATH "${setup[@]}" >"$scratch/first" 2>&1 </dev/null &
first=$!
wait_for "$scratch/unpacking"
PATH=$scratch/bin:$PATH "${setup[@]}" >"$scratch/second" 2>&1 </dev/null &
second=$!
for _ in $(seq 100); do if grep -q 'waiting for it' "$scratch/second"; then break; fi; sleep 0.1; done
grep -q 'waiting for it' "$scratch/second" || broken "the second did not wait"
touch "$scratch/go"
wait "$first" || broken "the first failed"
wait "$second" || broken "the second failed"
equal "$(wc -l <"$scratch/unpacking")" 2
rm "$scratch/bin/unzip"

say_test "a changed pin is noticed; a wheel that is not the pinned one is refused (65), and the old stays"
sed -i 's/^\(cpu nvidia.*\) [0-9a-f]*$/\1 0000000000000000000000000000000000000000000000000000000000000000/' "$scratch/list.txt"
run 65 "${setup[@]}"
says "nvidia-cuda-runtime 13.0.96 is not the file that was pinned"
exists "$home/torch/lib/libtorch_cpu.so"
equal "$(find "$XDG_CACHE_HOME/trellis" -maxdepth 1 -name '.tmp-*' | wc -l)" 0

say_test "no network, or no such wheel (66)"
run 66 env PIP_FIND_LINKS="$scratch/home" "${setup[@]}"
says "torch 2.11.0 could not be downloaded" "--libtorch"

say_test "too little space is said before anything is downloaded (74)"
rm -rf "$home"
stand_in df <<'END'
printf 'Filesystem 1024-blocks Used Available Capacity Mounted on\n/dev/x 100 99 1 99%% /\n'
END
run 74 "${setup[@]}"
says "needs 1 MB" "are free" "XDG_CACHE_HOME"
exists_not "$home"
rm "$scratch/bin/df"

say_test "an existing LibTorch: taken, found in the folder above, warned of when newer"
fake_libtorch "$scratch/site/torch" 2.11.1
run 0 "${setup[@]}" --libtorch "$scratch/site/torch"
says "LibTorch 2.11.1 is in $scratch/site/torch"
says_not downloads warning
run 0 env TRELLIS_LIBTORCH="$scratch/site" "${setup[@]}"
says "is in $scratch/site/torch"
fake_libtorch "$scratch/newer" 2.16.0
run 0 "${setup[@]}" --libtorch "$scratch/newer"
says "warning" "is 2.16.0; 2.11 to 2.15 are promised"

say_test "an existing LibTorch: refused when too old (78), unlabelled (78) or not there (66)"
fake_libtorch "$scratch/older" 2.9.1
run 78 "${setup[@]}" --libtorch "$scratch/older"
says "is 2.9.1, but 2.11 is needed"
rm "$scratch/older/include/torch/headeronly/version.h"
run 78 "${setup[@]}" --libtorch "$scratch/older"
says "does not say its version"
run 66 "${setup[@]}" --libtorch "$scratch/nowhere"
says "no such folder"
run 66 "${setup[@]}" --libtorch "$scratch/home"
says "has no lib/libtorch_cpu.so"

say_test "nvcc of another CUDA means a build for the CPU; of the right one, for CUDA"
stand_in nvcc <<<'echo "Cuda compilation tools, release 12.4, V12.4.1"'
run 0 "$clone/launch/setup" --no-packages --libtorch "$scratch/site/torch"
says "has no CUDA: building for the CPU only"
touch "$scratch/site/torch/lib/libtorch_cuda.so"
run 0 "$clone/launch/setup" --no-packages --libtorch "$scratch/site/torch"
says "ready to build for CUDA, with $scratch/bin/nvcc"
sed -i 's/ [0-9a-f]*$//' "$scratch/list.txt"
{ pin torch 2.11.0 torch; } >"$scratch/list.txt"
run 0 "$clone/launch/setup" --no-packages
says "is of CUDA 12" "ready to build for the CPU"
rm "$scratch/bin/nvcc"

say_test "without root, missing packages end in the one command that installs them (66)"
stand_in id <<<'echo 1000'
stand_in apt-get <<<"touch $scratch/apt_was_called"
stand_in dpkg-query <<'END'
printf 'ii g++\nrc cmake\nii git\n'
END
run 66 "$clone/launch/setup" --cpu
says "sudo apt-get install --yes --no-install-recommends cmake ninja-build" "only root can install them"
says_not " g++ " " git "
exists_not "$scratch/apt_was_called"

say_test "as root they are installed; a second run finds them all"
stand_in id <<<'echo 0'
stand_in apt-get <<<"echo \"apt-get \$*\" >>$scratch/apt_was_called"
run 0 "$clone/launch/setup" --cpu --libtorch "$scratch/site/torch"
grep -q -- 'apt-get -q install --yes --no-install-recommends cmake' "$scratch/apt_was_called" || broken "apt-get install was not called"
rm "$scratch/apt_was_called"
stand_in dpkg-query <<END
sed 's/#.*//' "$clone/launch/packages.txt" | awk 'NF { print "ii  " \$1 }'
END
run 0 "$clone/launch/setup" --cpu --libtorch "$scratch/site/torch"
says "packages are installed"
exists_not "$scratch/apt_was_called"

say_test "wrong flags (2) and help"
run 2 "$clone/launch/setup" --gpu
says "unknown option or argument '--gpu'"
run 2 "$clone/launch/setup" --libtorch
says "--libtorch needs a value"
run 0 "$clone/launch/setup" --help
says "usage: launch/setup" "Exit codes"
says_not "shellcheck"
echo "all passed"
