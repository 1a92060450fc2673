#!/usr/bin/env bash
# `make e2e`: the cluster, our images in it, the tests, and the machine as it was. With KUBECONFIG only the tests, on that cluster.
set -euo pipefail
cd "$(dirname "$0")/../.."

timed() { # words of a step, its command
    local began=$SECONDS
    "${@:2}"
    times+=("$(printf '%5d s  %s' $((SECONDS - began)) "$1")")
}

ended() {
    local status=$?
    if [ -n "${up:-}" ]; then timed "cluster down" make --no-print-directory cluster-down || status=1; fi
    printf '%s\n' "" "${times[@]}"
    exit $status
}

times=()
trap ended EXIT
if [ -z "${KUBECONFIG:-}" ]; then
    up=1
    timed "cluster up" make --no-print-directory cluster-up
    # No registry is asked for a base image, torch comes from PyPI, and builds trust what this machine trusts.
    export BASE=${BASE-localhost/base:1} TORCH_INDEX=${TORCH_INDEX-} CA=${CA-/etc/ssl/certs/ca-certificates.crt}
    [ "$BASE" != localhost/base:1 ] || timed "base image" make --no-print-directory cluster-base
    timed "images" make --no-print-directory images
    timed "images into the cluster" make --no-print-directory cluster-load IMAGES="$("$PYTHON" -m tools.images names)"
fi
show=(--durations=0 --durations-min=5)
timed "tests side by side" "$UV" run --locked pytest tests/e2e -m "not alone" --numprocesses=2 --dist=loadfile "${show[@]}"
timed "tests that disturb others" "$UV" run --locked pytest tests/e2e -m alone "${show[@]}"
