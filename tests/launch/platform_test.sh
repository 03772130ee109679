#!/usr/bin/env bash
# tests/platform: what it asks of debootstrap and hands on to the system, what it tells of the commands there, and what it leaves
# behind. debootstrap, the namespaces and the commands inside are stand-ins here: the real thing takes an hour and a network.

# shellcheck disable=SC2154  # scratch and clone come from helpers.sh
# shellcheck source=helpers.sh
source "$(dirname "${BASH_SOURCE[0]}")/helpers.sh"
command -v git >/dev/null || broken "git is needed"
mkdir "$clone/tests" "$scratch/tmp"
cp "$source_dir/tests/platform" "$clone/tests/"
git -C "$clone" init --quiet
git -C "$clone" add .
git -C "$clone" -c user.name=test -c user.email=test@localhost commit --quiet -m "a clone"
export TMPDIR=$scratch/tmp
unset {http,https,ftp,all,no}_proxy {HTTP,HTTPS,FTP,ALL,NO}_PROXY SSL_CERT_FILE PIP_CERT CURL_CA_BUNDLE REQUESTS_CA_BUNDLE PIP_INDEX_URL TRELLIS_DEBIAN_MIRROR TRELLIS_JOBS
platform=("$clone/tests/platform")

stand_in id <<<'echo 0'
stand_in unshare <<<'exit 0'
stand_in df <<<'printf "Filesystem\n/dev/disk 1 1 90000000 1%% /\n"'
stand_in debootstrap <<END
echo "debootstrap \$*" >>"$scratch/calls"
mkdir -p "\$3/etc/apt/apt.conf.d" "\$3/root"
echo "VERSION_CODENAME=\$2" >"\$3/etc/os-release"
END
# What enters the system: the command is the last word, its output and exit code are the test's.
stand_in setpriv <<END
printf '%s\n' "\$@" >>"$scratch/calls"
for command; do :; done
case \$command in
  *quickstart) cat "$scratch/quickstart"; exit "\$(cat "$scratch/quickstart.code")" ;;
  bits) mkdir -p "$scratch/system/root/trellis/recorded-bits"; touch "$scratch/system/root/trellis/recorded-bits/digests" ;;
  *run) if [ -e "$scratch/waits" ]; then touch "$scratch/begun"; exec sleep 60; fi; cat "$scratch/tests"; exit "\$(cat "$scratch/tests.code")" ;;
esac
END
passes() {
  echo "== done" >"$scratch/quickstart"
  printf '%s\n' '  1/3 Test  #7: Plan.IsRight .....   Passed    0.01 sec' '  2/3 Test #10: cli.h5py .....***Skipped   0.01 sec' \
    '  3/3 Test  #2: mpi.exit_codes .....   Passed    1.00 sec' >"$scratch/tests"
  echo 0 | tee "$scratch/quickstart.code" >"$scratch/tests.code"
  rm -f "$scratch/calls"
}
calls() { cat "$scratch/calls"; }
nothing_left() { equal "$(ls -A "$TMPDIR")" ''; }

say_test "both commands of README, in a system that is removed"
passes
run 0 "${platform[@]}" debian-13
says "quickstart" "exit code 0" "3 tests: 2 passed, 0 failed, 1 skipped" "skipped: cli.h5py" "warnings of the compilers and of cmake: 0"
calls | grep -q '^debootstrap --variant=minbase trixie [^ ]*/debian-13.tmp$' || broken "debootstrap was asked for something else: $(calls)"
calls | grep -qx './launch/quickstart' && calls | grep -qx './tests/run' || broken "README's commands were not run: $(calls)"
nothing_left
exists "$clone/results-platform/debian-13/tests.log" "$clone/results-platform/debian-13/summary.txt"
says "$(tail -n 1 "$clone/results-platform/debian-13/summary.txt")"

say_test "the way to the network is handed on, and nothing else"
passes
echo certificates >"$scratch/bundle.pem"
run 0 env https_proxy=http://proxy:3128 PIP_INDEX_URL=https://index/simple PIP_CERT="$scratch/bundle.pem" TRELLIS_DEBIAN_MIRROR=http://mirror/debian \
  TRELLIS_LIBTORCH=/elsewhere "${platform[@]}" debian-12 quickstart --root "$scratch/system"
calls | grep -q '^debootstrap .* bookworm .* http://mirror/debian$' || broken "debootstrap was not given the mirror: $(calls)"
calls | grep -qx https_proxy=http://proxy:3128 && calls | grep -qx PIP_INDEX_URL=https://index/simple && calls | grep -qx PIP_CERT=/etc/platform.pem ||
  broken "a variable is missing: $(calls)"
! calls | grep -q TRELLIS_LIBTORCH || broken "TRELLIS_LIBTORCH was handed on"
equal "$(cat "$scratch/system/etc/platform.pem")" certificates
nothing_left

say_test "a system that is kept is used again, with the clone of today; another thing is left alone"
passes
echo more >"$clone/tests/more"
git -C "$clone" add tests/more
git -C "$clone" -c user.name=test -c user.email=test@localhost commit --quiet -m "more"
run 0 "${platform[@]}" debian-12 tests --root "$scratch/system" -- -R Plan
says "is used again"
! calls | grep -q '^debootstrap' || broken "debootstrap was called again"
exists "$scratch/system/root/trellis/tests/more"
run 73 "${platform[@]}" debian-13 tests --root "$scratch/system"
run 73 "${platform[@]}" debian-12 tests --root "$clone"
exists "$scratch/system/root/trellis" "$clone/launch/build"

say_test "recorded runs come back"
passes
run 0 "${platform[@]}" debian-12 bits --root "$scratch/system" --results "$scratch/results"
exists "$scratch/results/bits/digests" "$scratch/results/bits.log"
exists_not "$scratch/system/root/trellis/recorded-bits"

say_test "failures: the first one's code, after all has run; a compiler's warning is one"
passes
echo 70 >"$scratch/quickstart.code"
echo 8 >"$scratch/tests.code"
echo '  4/4 Test  #9: cli.fails .....***Failed    1.00 sec' >>"$scratch/tests"
run 70 "${platform[@]}" debian-13
says "4 tests: 2 passed, 1 failed, 1 skipped" "failed: cli.fails"
passes
echo '/root/trellis/src/base/log.cpp:7:3: warning: unused variable [-Wunused]' >>"$scratch/tests"
run 70 "${platform[@]}" debian-13 tests
says "warnings of the compilers and of cmake: 1"
nothing_left

say_test "a stop ends what runs inside, and leaves nothing"
passes
touch "$scratch/waits"
PATH=$scratch/bin:$PATH "${platform[@]}" debian-13 tests >"$scratch/output" 2>&1 &
stopped=$!
wait_for "$scratch/begun"
kill -TERM "$stopped"
status=0
wait "$stopped" || status=$?
equal "$status" 75
nothing_left

say_test "wrong flags, and a user who is not root"
run 2 "${platform[@]}" debian-11
run 2 "${platform[@]}"
run 2 "${platform[@]}" debian-12 both -- -R Plan
stand_in id <<<'echo 1000'
run 66 "${platform[@]}" debian-12
says "only root"
echo "all passed"
