#!/usr/bin/env bash
# Installs what the tests need, builds, and runs everything or what is named.
#
#   tests/run.sh [--quick] [--long] [--list] [NAME…]
#
#   --quick   only the g++ release build, its unit tests, and the checks of the tree
#   --long    everything, and what takes too long for every change
#   --list    the names, one a line, and what each proves
#   NAME…     only these (and the builds they need); a prefix such as `integration/` names all below it
#
# Each step's output goes to build/test-logs/NAME.log; the end of a failing one is shown.
# Ends with a verdict; exit 0 when everything passed, 1 when something failed, 2 on wrong usage.
# K8S_SCHEMAS may name a folder of strict Kubernetes API schemas (README in tests/deploy).
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
ROOT=$PWD
LOGS=$ROOT/build/test-logs
JOBS=$(nproc)

# --- the steps: name | group (quick, full, long) | needs | what it proves --------------------------
steps() {
  cat <<'LIST'
build/release|quick||g++, optimised, warnings are errors
unit|quick|build/release|unit tests of every folder
tree|quick|build/release|include edges, and the files that documents name
fuzz|quick|build/release|fuzz corpora replayed
LIST
  local suite
  for suite in tests/integration/*/; do
    suite=$(basename "$suite")
    [ -f "tests/integration/$suite/README.md" ] || continue
    echo "integration/$suite|$(suite_group "$suite")|build/release|$(sed -n '1s/^# *//p' "tests/integration/$suite/README.md")"
  done
  cat <<'LIST'
new-driver|full|build/release|a new driver is one file pair and one line, and serves
guest|full|build/release|QEMU guests read through server and agent; no block twice; rngtest
deploy/systemd|full|build/release|units verify, stay hardened, and start the real programs
deploy/kubernetes|full|build/release|manifests render, hold together, and fit the API
deploy/prometheus|full|build/release|rules, their unit tests, and every dashboard query against a live scrape
deploy/image|full|build/release|the Dockerfile names what exists
deploy/service-manager|full|build/release|a real systemd runs the units as shipped: reload, upgrade, crash, hang, socket activation
deploy/package|full|build/release|Debian packages install, and upgrade under a guest's open connection; a bad version changes nothing
bench/smoke|full|build/release|every benchmark runs and prints its figures (no bar is checked on a busy machine)
build/asan|full||clang, -Wthread-safety, warnings are errors; AddressSanitizer and UndefinedBehaviorSanitizer
unit/asan|full|build/asan|unit tests and corpora under them
fuzz/search|full|build/asan|libFuzzer targets replay their corpora and run for some seconds
build/tsan|full||ThreadSanitizer on the gRPC-free core
unit/tsan|full|build/tsan|the core's threads
mutation|long|build/release|every line of the class tree and of the way of entropy that is broken on purpose makes a test fail
bench/bars|long|build/release|the performance bars, as ratios measured side by side
LIST
}
suite_group() { if [ -f "tests/integration/$1/long" ]; then echo long; else echo full; fi; }

# --- what each step does ---------------------------------------------------------------------------
give_way=()
build_preset() {  # preset target...
  local preset=$1
  shift
  cmake --preset "$preset" && "${give_way[@]}" cmake --build --preset "$preset" -j "$JOBS" ${1:+--target "$@"}
}
# Sanitized tests are slower: property tests do a fraction of their rounds.
run_step() {
  case "$1" in
    build/release) build_preset release ;;
    unit) ctest --preset release -L unit -j "$JOBS" ;;
    tree) ctest --preset release -R '^(layering_test|readme_test|requirements_test)' ;;
    fuzz) ctest --preset release -L fuzz -j "$JOBS" ;;
    integration/*) tests/integration/suite.sh "${1#integration/}" ;;
    new-driver) tests/new_driver/run.sh ;;
    guest) tests/guest/run.sh ;;
    deploy/*) "tests/deploy/${1#deploy/}.sh" ;;
    bench/smoke) tests/bench/run.sh --smoke ;;
    mutation) tests/mutation/run.sh ;;
    bench/bars) tests/bench/run.sh --check ;;
    build/asan)
      build_preset asan entropyd entropyd-hostagent entropyctl base_test client_test server_test hostagent_test \
        all_fuzz_targets ;;
    fuzz/search) tests/fuzz/run.sh build/asan ;;
    unit/asan) LSAN_OPTIONS="suppressions=$ROOT/tests/lsan.supp" ENTROPYD_TEST_SCALE=0.05 ctest --preset asan -L 'unit|fuzz' -j "$JOBS" ;;
    build/tsan) build_preset tsan base_test server_test ;;
    unit/tsan) tests/tsan.sh build/tsan ;;
  esac
}

# Which lane a step runs in, after build/release. Lanes run side by side: suites mostly wait, builds never
# do. Builds give way to whatever else wants a processor, so that suites hardly notice them.
lane() {
  case "$1" in
    build/release) echo first ;;
    build/*) echo builds ;;
    */asan|*/tsan|fuzz/search) echo sanitized ;;
    mutation|bench/bars) echo alone ;;
    *) echo suites ;;
  esac
}
# The suites that ask for both processors come first: before there is something sanitized to run, which
# does not give way.
comes_first() {
  case "$1" in
    unit|integration/fairness|integration/handover|integration/guest-survival|integration/no-byte-twice \
      |integration/source-failures|integration/footprint|bench/smoke) echo 1 ;;
    *) echo 0 ;;
  esac
}

# --- choosing ----------------------------------------------------------------------------------------
group=full list=0 wanted=()
while [ $# -gt 0 ]; do
  case "$1" in
    --quick) group=quick ;;
    --long) group=long ;;
    --list) list=1 ;;
    -h|--help) sed -n '2,13s/^# \{0,1\}//p' "$0"; exit 0 ;;
    -*) echo "run.sh: unknown option '$1'; see --help" >&2; exit 2 ;;
    *) wanted+=("${1%/}") ;;
  esac
  shift
done
mapfile -t all < <(steps)
if [ $list = 1 ]; then
  for line in "${all[@]}"; do
    IFS='|' read -r name in_group _ proves <<<"$line"
    printf '%-32s %-6s %s\n' "$name" "$in_group" "$proves"
  done
  exit 0
fi

declare -A need_of chosen  # by name
order=()
for line in "${all[@]}"; do
  IFS='|' read -r name in_group needs _ <<<"$line"
  order+=("$name")
  need_of[$name]=$needs
  if [ ${#wanted[@]} = 0 ]; then
    case "$group:$in_group" in quick:quick|full:quick|full:full|long:*) chosen[$name]=1 ;; esac
  fi
done
for want in "${wanted[@]}"; do
  hit=0
  for name in "${order[@]}"; do
    if [ "$name" = "$want" ] || [[ "$name" == "$want"/* ]]; then
      chosen[$name]=1
      [ -z "${need_of[$name]}" ] || chosen[${need_of[$name]}]=1
      hit=1
    fi
  done
  [ $hit = 1 ] || { echo "run.sh: no test is called '$want'; see tests/run.sh --list" >&2; exit 2; }
done

# --- running ------------------------------------------------------------------------------------------
mkdir -p "$LOGS"
start=$SECONDS
purposes=(build test)
[ "$group" = quick ] && [ ${#wanted[@]} = 0 ] || purposes+=(guest libvirt)
echo "== packages"
deploy/install-packages.sh "${purposes[@]}" || { echo "run.sh: FAILED: packages"; exit 1; }

log_of() { echo "$LOGS/${1//\//-}.log"; }
has_passed() { [ "$(cut -d' ' -f1 "$(log_of "$1").result" 2>/dev/null)" = 0 ]; }
count() { find "$LOGS" -name '*.result' | wc -l; }
# run NAME: runs it, leaves its status in .result, and tells the verdict.
run() {
  local name=$1 log status=0 took says
  log=$(log_of "$name")
  if [ -n "${need_of[$name]}" ] && ! has_passed "${need_of[$name]}"; then
    echo 1 >"$log.result"
    printf '== [%2d/%d] %-32s FAILED (%s did not build)\n' "$(count)" "${#chosen[@]}" "$name" "${need_of[$name]}"
    return
  fi
  echo "   $name …"
  local TIMEFORMAT='%0R s (%0U + %0S s of CPU)'
  { time run_step "$name" >"$log" 2>&1 </dev/null; } 2>"$log.time" || status=$?
  took=$(tail -n 1 "$log.time")
  echo "$status" >"$log.result"
  # One write each, as another lane writes too.
  if [ $status = 0 ]; then
    says=$(printf '== [%2d/%d] %-32s ok     %s' "$(count)" "${#chosen[@]}" "$name" "$took"; sed -n 's/^NOTE: /\n     note: /p' "$log")
  else
    says=$(printf '== [%2d/%d] %-32s FAILED %s\n---- last lines of %s\n' "$(count)" "${#chosen[@]}" "$name" "$took" "${log#"$ROOT/"}"; tail -n 60 "$log"; printf -- '----')
  fi
  echo "$says"
}
# run_lane LANE: what is chosen of it, in order; waits for a build of another lane.
run_lane() {
  local name first need
  for first in 1 0; do
    for name in "${order[@]}"; do
      [ -n "${chosen[$name]:-}" ] && [ "$(lane "$name")" = "$1" ] && [ "$(comes_first "$name")" = $first ] || continue
      need=${need_of[$name]}
      until [ -z "$need" ] || [ -f "$(log_of "$need").result" ]; do sleep 0.2; done
      run "$name"
    done
  done
}
rm -f "$LOGS"/*.result
echo "== ${#chosen[@]} steps"
run_lane first
(give_way=(tests/give_way.sh); run_lane builds) &
run_lane sanitized &
run_lane suites &
wait
run_lane alone
passed=0 failures=()
for name in "${order[@]}"; do
  [ -n "${chosen[$name]:-}" ] || continue
  if has_passed "$name"; then passed=$((passed + 1)); else failures+=("$name"); fi
done
failed=${#failures[@]}

echo
printf '%d passed, %d failed\n' "$passed" "$failed"
if [ $failed -gt 0 ]; then
  echo "run.sh: FAILED after $((SECONDS - start)) s: ${failures[*]}"
  exit 1
fi
echo "run.sh: OK, $passed steps in $((SECONDS - start)) s"
