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
build_preset() {  # preset target...
  local preset=$1
  shift
  cmake --preset "$preset" && cmake --build --preset "$preset" -j "$JOBS" ${1:+--target "$@"}
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
    unit/asan) LSAN_OPTIONS="suppressions=$ROOT/tests/lsan.supp" ENTROPYD_TEST_SCALE=0.1 ctest --preset asan -L 'unit|fuzz' -j "$JOBS" ;;
    build/tsan) build_preset tsan base_test server_test ;;
    unit/tsan) tests/tsan.sh build/tsan ;;
  esac
}

# What mostly waits, or has one thread only, runs beside another step, where that runs anyway.
beside() {
  case "$1" in
    integration/sources|integration/faults|integration/identity|integration/libvirt|integration/reload|integration/taps \
      |integration/bad-input|integration/classes|integration/first-whole|integration/footprint|integration/output-quality \
      |integration/survival)
      echo build/asan ;;
    fuzz/search) echo unit/tsan ;;
    integration/demo|deploy/prometheus|deploy/image|unit/asan) echo build/tsan ;;
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

declare -A need_of chosen
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

passed=0 failed=0 failures=() number=0
declare -A broken
log_of() { echo "$LOGS/${1//\//-}.log"; }
# measured NAME: runs it, and leaves status and seconds in its .result.
measured() {
  local began=$SECONDS status=0
  run_step "$1" >"$(log_of "$1")" 2>&1 </dev/null || status=$?
  echo "$status $((SECONDS - began))" >"$(log_of "$1").result"
}
# verdict NAME: of what was measured, or of what could not be.
verdict() {
  local name=$1 log status=1 seconds=0
  log=$(log_of "$name")
  [ ! -f "$log.result" ] || read -r status seconds <"$log.result"
  if [ -n "${need_of[$name]}" ] && [ -n "${broken[${need_of[$name]}]:-}" ]; then
    echo "FAILED (${need_of[$name]} did not build)"
  elif [ "$status" = 0 ]; then
    echo "ok     $seconds s"
    passed=$((passed + 1))
    sed -n 's/^NOTE: /     note: /p' "$log"
    return
  else
    echo "FAILED $seconds s"
    echo "---- last lines of ${log#"$ROOT/"}"
    tail -n 60 "$log"
    echo "----"
  fi
  failed=$((failed + 1)) broken[$name]=1
  failures+=("$name")
}
announce() {
  number=$((number + 1))
  printf '== [%2d/%d] %-32s ' "$number" "${#chosen[@]}" "$1"
}
can_run() { [ -z "${need_of[$1]}" ] || [ -z "${broken[${need_of[$1]}]:-}" ]; }
rm -f "$LOGS"/*.result
for name in "${order[@]}"; do
  [ -n "${chosen[$name]:-}" ] || continue
  host=$(beside "$name")
  [ -z "$host" ] || [ -z "${chosen[$host]:-}" ] || continue
  guests=()
  for other in "${order[@]}"; do
    [ -z "${chosen[$other]:-}" ] || [ "$(beside "$other")" != "$name" ] || guests+=("$other")
  done
  announce "$name"
  (for guest in "${guests[@]}"; do ! can_run "$guest" || measured "$guest"; done) &
  ! can_run "$name" || measured "$name"
  verdict "$name"
  wait
  for guest in "${guests[@]}"; do
    announce "$guest"
    verdict "$guest"
  done
done

echo
printf '%d passed, %d failed\n' "$passed" "$failed"
if [ $failed -gt 0 ]; then
  echo "run.sh: FAILED after $((SECONDS - start)) s: ${failures[*]}"
  exit 1
fi
echo "run.sh: OK, $passed steps in $((SECONDS - start)) s"
