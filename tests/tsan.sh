#!/usr/bin/env bash
# Runs the gRPC-free core's tests under ThreadSanitizer. gRPC's libraries are not instrumented and
# give false races, so tests whose names say that they need it are left to the other builds.
#
#   tests/tsan.sh BUILD_FOLDER
set -euo pipefail
build=${1:?usage: tsan.sh BUILD_FOLDER}
export TSAN_OPTIONS="halt_on_error=1 second_deadlock_stack=1 suppressions=$(dirname "${BASH_SOURCE[0]}")/tsan.supp"
export ENTROPYD_TEST_SCALE=${ENTROPYD_TEST_SCALE:-0.05}
ran=0
for binary in base_test server_test hostagent_test; do
  # Suites over gRPC are called Grpc…; everything else is the core.
  "$build/bin/$binary" --gtest_filter='-Grpc*' --gtest_brief=1
  ran=$((ran + 1))
done
[ $ran = 3 ]
