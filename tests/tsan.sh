#!/usr/bin/env bash
# Runs the gRPC-free core's tests under ThreadSanitizer: everything of base/ and server/ that has threads.
# Left to the other builds:
#   Grpc…, …grpc  gRPC's libraries are not instrumented and give false races; the tests of the whole server are
#               not even linked
#   Config… to Describe…  the configuration loader: it has no threads, and protobuf's headers give map
#               fields another layout under ThreadSanitizer than Debian's library was built with
#
#   tests/tsan.sh BUILD_FOLDER
set -euo pipefail
build=${1:?usage: tsan.sh BUILD_FOLDER}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export TSAN_OPTIONS="halt_on_error=1 second_deadlock_stack=1 suppressions=$here/tsan.supp"
export ENTROPYD_TEST_SCALE=${ENTROPYD_TEST_SCALE:-0.05}
base_without='Grpc*:Config*:Locations*:Load*:Schema*:Describe*' server_without='*_grpc'
# A pattern that names no test leaves out nothing: what it spoke of has another name now, and runs.
names_tests() { [ "$("$1" --gtest_list_tests --gtest_filter="$2" | grep -c '^  ')" -gt 0 ]; }
left_out() {  # PROGRAM PATTERNS
  local pattern
  for pattern in ${2//:/ }; do
    names_tests "$build/bin/$1" "$pattern" || { echo "tsan.sh: $1 has no test $pattern; mend the filter" >&2; exit 2; }
  done
  names_tests "$build/bin/$1" "-$2" || { echo "tsan.sh: the filter leaves no test of $1" >&2; exit 2; }
}
set -f  # the patterns are no files
left_out base_test "$base_without"
left_out server_test "$server_without"
# Side by side. What failed is shown last, because the end of a log is what people are shown.
said=$(mktemp -d)
trap 'rm -rf "$said"' EXIT
"$build/bin/base_test" --gtest_filter="-$base_without" --gtest_brief=1 >"$said/base_test" 2>&1 &
base=$!
failed=
"$build/bin/server_test" --gtest_filter="-$server_without" --gtest_brief=1 >"$said/server_test" 2>&1 ||
  failed=server_test
wait "$base" || failed="base_test $failed"
for program in base_test server_test; do
  case " $failed " in *" $program "*) ;; *) tail -n 3 "$said/$program" ;; esac
done
for program in $failed; do
  cat "$said/$program"
  echo "tsan.sh: $program failed:"
  grep -aE -A 12 'Failure$|WARNING: ThreadSanitizer|FATAL: ThreadSanitizer' "$said/$program" | head -n 40 ||
    tail -n 20 "$said/$program"
done
[ -z "$failed" ]
