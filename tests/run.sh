#!/usr/bin/env bash
# Installs what the tests need, builds, and runs all that every change must pass, or what is named.
#
#   tests/run.sh [--quick] [--long] [--list] [NAME…]
#
#   --quick   only the g++ release build, its unit tests, and the checks of the tree; clang-tidy looks at
#             changed files only: those that differ from where the branch left main (on main: from the
#             commit before), committed or not
#   --long    everything, and what takes too long for every change: clang-tidy of all files and not of thirty
#             (changed ones first), all mutants and not twenty, the version before, hours of reloads
#   --list    the names, one a line, and what each proves
#   NAME…     only these (and the builds they need); a prefix such as `integration/` names all below it
#
# ctest schedules the steps; each is defined in the CMakeLists.txt beside what it runs. Each step's output
# goes to build/test-logs/NAME.log; the end of a failing one is shown.
# Ends with a verdict; exit 0 when everything passed, 1 when something failed, 2 on wrong usage.
# K8S_SCHEMAS may name a folder of strict Kubernetes API schemas (README in tests/deploy).
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit
LOGS=$PWD/build/test-logs
STEPS=build/release/tests/steps.txt  # name|label|what it proves; CMake writes it
# Two places more than there are processors: one for a build that runs beside the suites and gives way to them, and
# one because suites mostly wait.
processors=$(nproc)
JOBS=$((processors + 2))

group=full list=0 wanted=()
while [ $# -gt 0 ]; do
  case "$1" in
    --quick) group=quick ;;
    --long) group=long ;;
    --list) list=1 ;;
    -h|--help) sed -n '2,17s/^# \{0,1\}//p' "$0"; exit 0 ;;
    -*) echo "run.sh: unknown option '$1'; see --help" >&2; exit 2 ;;
    *) wanted+=("${1%/}") ;;
  esac
  shift
done

mkdir -p "$LOGS"
configure() {
  cmake --preset release >"$LOGS/configure.log" 2>&1 && return
  tail -n 60 "$LOGS/configure.log"
  echo "run.sh: FAILED: the build cannot be configured; deploy/install-packages.sh build test installs what it needs"
  exit 1
}
if [ $list = 1 ]; then
  configure
  awk -F'|' '{printf "%-34s %-6s %s\n", $1, $2, $3}' "$STEPS"
  exit 0
fi

purposes=(build test)
[ "$group" = quick ] && [ ${#wanted[@]} = 0 ] || purposes+=(guest libvirt)
echo "== packages"
deploy/install-packages.sh "${purposes[@]}" || { echo "run.sh: FAILED: packages"; exit 1; }
configure

case $group in
  quick) chosen=(-L '^quick$') ;;
  full) chosen=(-LE '^(long|changed)$') ;;
  long) chosen=(-LE '^changed$') ;;
esac
if [ ${#wanted[@]} -gt 0 ]; then
  for want in "${wanted[@]}"; do
    cut -d'|' -f1 "$STEPS" | awk -v want="$want" '$0 == want || index($0, want "/") == 1 {hit = 1} END {exit !hit}' ||
      { echo "run.sh: no test is called '$want'; see tests/run.sh --list" >&2; exit 2; }
  done
  chosen=(-R "^($(IFS='|'; echo "${wanted[*]}"))(/|\$)")
fi

find "$LOGS" -name '*.log' ! -name configure.log -delete
rm -f "$LOGS/results.xml"
ENTROPYD_TEST_LOGS=$LOGS ctest --preset release "${chosen[@]}" -j "$JOBS" \
  --no-tests=error --output-junit "$LOGS/results.xml" &
# To the steps, too, so that they clean up behind themselves: ctest would leave them running.
ctest=$!
trap 'pkill -TERM -P $ctest; kill -TERM $ctest' INT TERM
wait $ctest

results() {  # PATTERN: the names of the steps whose status fits
  sed -n 's/.*<testcase name="\([^"]*\)".* status="\([^"]*\)".*/\2 \1/p' "$LOGS/results.xml" 2>/dev/null |
    awk -v pattern="$1" '$1 ~ pattern {print $2}'
}
mapfile -t passed < <(results '^run$')
mapfile -t failed < <(results '^(fail|notrun|disabled)$')
echo
for name in "${passed[@]}"; do
  sed -n "s|^NOTE: |note: $name: |p" "$LOGS/${name//\//-}.log" 2>/dev/null
done
printf '%d passed, %d failed\n' ${#passed[@]} ${#failed[@]}
if [ ${#failed[@]} -gt 0 ] || [ ${#passed[@]} = 0 ]; then
  echo "run.sh: FAILED after $SECONDS s: ${failed[*]}"
  exit 1
fi
echo "run.sh: OK, ${#passed[@]} steps in $SECONDS s"
