# Finds LibTorch, or gets it: used by launch/setup and launch/build, sourced after common.sh.
#
# One copy a user, shared by every clone:
#   ${XDG_CACHE_HOME:-~/.cache}/trellis/libtorch-VERSION-VARIANT/{torch,nvidia}   (beside each other: torch's RPATH says so)
# It appears there by one rename of a complete folder, under a lock, so a kill at any moment leaves nothing half-filled;
# what a killed run left in .tmp-* is removed by the next. The lock is held by the processes that write, not by a file.
# shellcheck shell=bash
# shellcheck disable=SC2154  # root and the exit codes come from common.sh

libtorch_least=2.11   # the oldest that is promised
libtorch_newest=2.15  # the newest
libtorch_newer=2.16   # from here on: a warning
cuda_release=13       # what the pinned CUDA variant is built for

libtorch_wheel_list=${TRELLIS_LIBTORCH_WHEELS:-$root/launch/libtorch_wheels.txt}
cache=${XDG_CACHE_HOME:-${HOME:?HOME is not set, so there is no place for the cache}/.cache}/trellis

# version_below A B: whether version A comes before version B.
version_below() { [ "$1" != "$2" ] && [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1)" = "$1" ]; }

# find_nvcc: prints the path of nvcc, or fails.
find_nvcc() {
  command -v nvcc && return
  local candidate=${CUDA_HOME:-/usr/local/cuda}/bin/nvcc
  [ -x "$candidate" ] && echo "$candidate"
}

# choose_variant CPU_ONLY(yes|no): sets `variant` to cpu or cuda, and `nvcc`.
choose_variant() {
  variant=cpu nvcc=''
  [ "$1" = no ] || return 0
  nvcc=$(find_nvcc) || return 0
  local release
  release=$("$nvcc" --version | sed -n 's/.*release \([0-9]*\)\..*/\1/p')
  if [ -z "${libtorch_given:-}" ] && [ "$release" != "$cuda_release" ]; then
    warn "$nvcc is of CUDA ${release:-?}, but the LibTorch fetched here is built for CUDA $cuda_release: building for the CPU only"
    nvcc=''
    return 0
  fi
  variant=cuda
}

# libtorch_version DIR: prints the version, or nothing.
libtorch_version() {
  awk '$1 == "#define" && $2 ~ /^TORCH_VERSION_(MAJOR|MINOR|PATCH)$/ { part[$2] = $3; found++ }
       END { if (found == 3) print part["TORCH_VERSION_MAJOR"] "." part["TORCH_VERSION_MINOR"] "." part["TORCH_VERSION_PATCH"] }' \
    "$1/include/torch/headeronly/version.h" 2>/dev/null || true
}

# use_given_libtorch DIR: checks a LibTorch that the user points at; sets `libtorch`.
use_given_libtorch() {
  libtorch=$1
  [ -d "$libtorch" ] || fail "$exit_input_missing" "no LibTorch at '$libtorch': no such folder" \
    "give the folder that holds lib/libtorch_cpu.so and include/ATen (--libtorch or TRELLIS_LIBTORCH), or neither, to have one fetched"
  if [ ! -e "$libtorch/lib/libtorch_cpu.so" ] && [ -e "$libtorch/torch/lib/libtorch_cpu.so" ]; then libtorch=$libtorch/torch; fi
  libtorch=$(cd "$libtorch" && pwd)
  [ -e "$libtorch/lib/libtorch_cpu.so" ] || fail "$exit_input_missing" "no LibTorch at '$libtorch': it has no lib/libtorch_cpu.so" \
    "give the folder that holds lib/libtorch_cpu.so and include/ATen"
  local version
  version=$(libtorch_version "$libtorch")
  [ -n "$version" ] || fail "$exit_wrong_setting" \
    "the LibTorch at '$libtorch' does not say its version in include/torch/headeronly/version.h, so it is older than $libtorch_least" \
    "use LibTorch $libtorch_least"
  if version_below "$version" "$libtorch_least"; then
    fail "$exit_wrong_setting" "the LibTorch at '$libtorch' is $version, but $libtorch_least is needed" "use LibTorch $libtorch_least, or have it fetched: leave --libtorch and TRELLIS_LIBTORCH away"
  fi
  if ! version_below "$version" "$libtorch_newer"; then
    warn "the LibTorch at '$libtorch' is $version; $libtorch_least to $libtorch_newest are promised, and c10d has no stable interface"
  fi
  if [ "$variant" = cuda ] && [ ! -e "$libtorch/lib/libtorch_cuda.so" ]; then
    note "the LibTorch at $libtorch has no CUDA: building for the CPU only"
    variant=cpu
  fi
}

# pinned_libtorch: sets `libtorch_home` and `libtorch`, where the pinned LibTorch of `variant` is or will be.
pinned_libtorch() {
  local version
  version=$(awk -v variant="$variant" '$1 == variant && $2 == "torch" { print $3 }' "$libtorch_wheel_list")
  [ -n "$version" ] || fail "$exit_internal" "$libtorch_wheel_list names no torch for the variant '$variant'"
  libtorch_home=$cache/libtorch-$version-$variant
  libtorch=$libtorch_home/torch
}

# pins: the lines of the list that make up `variant`; kept in the unpacked folder, so that a changed pin is noticed.
pins() { awk -v variant="$variant" '$1 == variant' "$libtorch_wheel_list"; }
libtorch_is_complete() { [ -e "$libtorch/lib/libtorch_cpu.so" ] && pins | cmp -s - "$libtorch_home/pins.txt"; }

# fetch_wheel NAME VERSION SHA256 FOLDER
fetch_wheel() {
  local folder=$4 status=0
  mkdir -p "$folder"
  printf '%s==%s --hash=sha256:%s\n' "$1" "$2" "$3" >"$folder/requirement.txt"
  # pip is the ordinary way to the package index and honours the user's PIP_INDEX_URL, PIP_CERT and proxies. The wheels are
  # for CPython 3.12 because those hold the newest C++ ABI; nothing of Python's in them is used.
  PIP_DISABLE_PIP_VERSION_CHECK=1 python3 -m pip download --no-cache-dir --no-deps --only-binary=:all: --python-version 312 \
    --require-hashes --requirement "$folder/requirement.txt" --dest "$folder" 2>"$folder/errors.txt" || status=$?
  [ "$status" != 0 ] || return 0
  cat "$folder/errors.txt" >&2
  if grep -q 'DO NOT MATCH THE HASHES' "$folder/errors.txt"; then
    fail "$exit_bad_data" "$1 $2 is not the file that was pinned" "try again; if it stays so, the package index serves something else"
  fi
  fail "$exit_input_missing" "$1 $2 could not be downloaded" \
    "see pip's message above; behind a mirror set PIP_INDEX_URL and PIP_CERT, without network point --libtorch at a LibTorch $libtorch_least"
}

# unpack_wheel WHEEL FOLDER: only what a C++ program needs, and the licences.
unpack_wheel() {
  local wanted=('*.dist-info/licenses/*' 'nvidia/*/LICENSE.txt' 'nvidia/*/lib/*.so*' 'torch/include/*' 'torch/share/*')
  local unwanted=('torch/lib/libtorch_python.so')
  if [ "$variant" = cpu ]; then
    wanted+=('torch/lib/libtorch_cpu.so' 'torch/lib/libc10.so' 'torch/lib/libgomp*')
  else
    wanted+=('torch/lib/*' 'nvidia/*/include/*')
  fi
  local status=0
  unzip -q -o "$1" "${wanted[@]}" -x "${unwanted[@]}" -d "$2" 2>"$2/unzip.txt" || status=$?
  # 11: some pattern matched nothing in this wheel, as it must be
  if [ "$status" != 0 ] && [ "$status" != 11 ]; then
    cat "$2/unzip.txt" >&2
    fail "$exit_write_failed" "could not unpack $(basename "$1") in $2 (unzip: $status)" "is the disk full?"
  fi
  rm -f "$2/unzip.txt"
}

# fetch_libtorch: brings the pinned LibTorch of `variant` into the cache unless it is there.
fetch_libtorch() {
  pinned_libtorch
  if libtorch_is_complete; then
    note "LibTorch is in $libtorch_home"
    return
  fi
  local download unpacked largest
  read -r download unpacked largest < <(pins | awk '{ d += $4; u += $5; if ($4 > m) m = $4 } END { printf "%.0f %.0f %.0f\n", d, u, m }')
  note "LibTorch $(basename "$libtorch_home") is not there yet:"
  say "  downloads  $(megabytes "$download") in $(pins | wc -l) wheels, pinned by SHA-256"
  say "  goes to    $libtorch_home ($(megabytes "$unpacked") once unpacked)"
  say "  needs      $(megabytes $((unpacked + largest))) of disk on the way, and about $((1 + download * 8 / 100000000 / 60)) min at 100 Mbit/s, $((1 + unpacked / 40000000 / 60)) min more to unpack"
  need_space "$cache" $((unpacked + largest)) LibTorch
  command -v python3 >/dev/null && python3 -m pip --version >/dev/null 2>&1 || fail "$exit_input_missing" \
    "python3 with pip is needed to download LibTorch" "install them, or point --libtorch at a LibTorch $libtorch_least"
  command -v unzip >/dev/null || fail "$exit_input_missing" "unzip is needed to unpack LibTorch" "install it"

  mkdir -p "$cache" || fail "$exit_write_failed" "cannot make the cache folder $cache" "set XDG_CACHE_HOME to a folder that you can write"
  exec {lock}>"$cache/setup.lock"
  if ! flock -n "$lock"; then
    note "another launch/setup is at work in $cache; waiting for it"
    flock "$lock"
  fi
  if libtorch_is_complete; then
    note "LibTorch is in $libtorch_home"
  else
    rm -rf "$cache"/.tmp-*
    local staging name version sha256
    staging=$(mktemp -d "$cache/.tmp-XXXXXX") || fail "$exit_write_failed" "cannot write in $cache" "check its owner and the free space"
    # shellcheck disable=SC2064  # the folder of now
    trap "rm -rf '$staging'" EXIT
    while read -r _ name version _ _ sha256; do
      fetch_wheel "$name" "$version" "$sha256" "$staging/wheel" </dev/null
      mkdir -p "$staging/unpacked"
      unpack_wheel "$staging"/wheel/*.whl "$staging/unpacked"
      rm -rf "$staging/wheel"  # one wheel at a time on the disk
    done < <(pins)
    [ -e "$staging/unpacked/torch/lib/libtorch_cpu.so" ] && [ -n "$(libtorch_version "$staging/unpacked/torch")" ] ||
      fail "$exit_bad_data" "the wheels in $libtorch_wheel_list hold no LibTorch (lib/libtorch_cpu.so, include/torch/headeronly/version.h)"
    pins >"$staging/unpacked/pins.txt"
    sync -f "$staging/unpacked/pins.txt"
    rm -rf "$libtorch_home"
    mv -T "$staging/unpacked" "$libtorch_home"
    rm -rf "$staging"
    note "LibTorch is in $libtorch_home"
  fi
  exec {lock}>&-
}
