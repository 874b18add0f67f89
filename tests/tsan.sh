#!/usr/bin/env bash
# Runs the gRPC-free core's tests under ThreadSanitizer: everything of base/ and server/ that has threads.
# Left to the other builds:
#   Grpc…, …grpc  gRPC's libraries are not instrumented and give false races
#   Config… to Describe…  the configuration loader: it has no threads, and protobuf's headers give map
#               fields another layout under ThreadSanitizer than Debian's library was built with
#
#   tests/tsan.sh BUILD_FOLDER
set -euo pipefail
build=${1:?usage: tsan.sh BUILD_FOLDER}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export TSAN_OPTIONS="halt_on_error=1 second_deadlock_stack=1 suppressions=$here/tsan.supp"
export ENTROPYD_TEST_SCALE=${ENTROPYD_TEST_SCALE:-0.05}
"$build/bin/base_test" --gtest_filter='-Grpc*:Config*:Locations*:Load*:Schema*:Describe*' --gtest_brief=1 &
base=$!
status=0
"$build/bin/server_test" --gtest_filter='-Grpc*:*_grpc' --gtest_brief=1 || status=1
wait "$base" || status=1
exit $status
