#!/usr/bin/env bash
# The kustomize base: renders, holds together, fits the API where its schemas are at hand, and its
# configurations pass the programs' own check.
set -euo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
DEPLOY_TESTS=$HERE
ROOT=$HERE/../..
HERE=$ROOT/tests/integration
export HERE ROOT
BIN=${BIN:-$(cd "$ROOT" && pwd)/build/release/bin}
WORK=$(mktemp -d /tmp/entropyd-k8s.XXXXXX)
export BIN WORK
. "$HERE/lib.sh"
trap 'finish $?' EXIT
cd "$WORK"

kubectl kustomize "$ROOT/deploy/kubernetes/base" >rendered.yaml
make_pki
/usr/bin/python3 "$DEPLOY_TESTS/kubernetes_test.py" rendered.yaml "$BIN" "$WORK" ${K8S_SCHEMAS:+"$K8S_SCHEMAS"}
