#!/usr/bin/env bash
# Everything that needs a GPU, in at most ten minutes: the tests first, then the speed suites.
#
#   OUT=FOLDER bash benchmarks/commands/speed/gpu.sh [WHEELS] [ROOT]
#
# OUT     where the results go: tests.log, and a JSON file for each suite, written row by row
# WHEELS  a folder with wheels of the packages that this Python lacks; nothing is installed
# ROOT    a folder with some of the real data sets, for the suite "run"
# DEVICE=cpu QUICK=1 tries the script where there is no GPU; PYTHON names another interpreter.
set -uo pipefail
cd "$(dirname "$0")/../../.."
out=${OUT:?say where the results go, as OUT=FOLDER}
wheels=${1:-} root=${2:-} device=${DEVICE:-cuda} python=${PYTHON:-python3}
mkdir -p "$out"
export PYTHONPATH=$PWD

if [ -n "$wheels" ]; then
    site=$(mktemp -d)
    trap 'rm -rf "$site"' EXIT
    "$python" -m pip install --quiet --no-index --no-deps --no-compile --upgrade --target "$site" "$wheels"/*.whl || exit
    PYTHONPATH=$PWD:$site
fi

select=(-n 8 -m gpu)
[ "$device" = cpu ] && select=(-n 2 -m "not gpu" -k test_devices) # the same tests on the CPU
timeout 150 "$python" -m pytest -p no:cacheprovider "${select[@]}" tests 2>&1 | tee "$out/tests.log"
tests=${PIPESTATUS[0]}

"$python" -m benchmarks speed --device "$device" ${QUICK:+--quick} ${SUITES:-} --output "$out" ${root:+--root "$root"}
speed=$?
echo "tests: exit status $tests; suites: exit status $speed; results in $out"
exit $((tests ? tests : speed))
