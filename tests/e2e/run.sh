#!/usr/bin/env bash
# `make e2e`: the cluster, our images in it, the tests, and the machine as it was. With KUBECONFIG only the tests, on that
# cluster. CLEAN=1 also removes binaries and images afterwards; otherwise they stay and make the next run fast.
set -euo pipefail
cd "$(dirname "$0")/../.."

timed() { # words of a step, its command
    local began=$SECONDS
    "${@:2}"
    times+=("$(printf '%5d s  %s' $((SECONDS - began)) "$1")")
}

ended() {
    local status=$?
    [ -z "${images:-}" ] || kill "$images" 2> /dev/null || true
    if [ -n "${up:-}" ]; then
        timed "cluster down" make --no-print-directory cluster-down ALL="${CLEAN:-}" || status=1
        [ -z "${CLEAN:-}" ] || timed "images removed" "$PYTHON" -m tools.images remove || status=1
    fi
    printf '%s\n' "" "${times[@]}"
    exit $status
}

images_built() {
    if ! wait "$images"; then tail -n 40 "$log"; echo "make images failed: $log"; return 1; fi
    images=
}

times=()
if [ -z "${KUBECONFIG:-}" ]; then
    names=$("$PYTHON" -m tools.images names)
    # shellcheck disable=SC2086 # two names
    "$UV" run --locked python -m tools.cluster room $names
    trap ended EXIT
    up=1
    # No registry is asked for a base image, torch comes from PyPI, and builds trust what this machine trusts.
    export BASE=${BASE-localhost/base:1} TORCH_INDEX=${TORCH_INDEX-} CA=${CA-/etc/ssl/certs/ca-certificates.crt}
    [ "$BASE" != localhost/base:1 ] || timed "base image" make --no-print-directory cluster-base
    # Image builds mostly wait for downloads and disks, and Go's compilers for cores.
    mkdir -p .cluster/logs
    log=.cluster/logs/images.log
    make --no-print-directory images > "$log" 2>&1 &
    images=$!
    timed "cluster up, beside it images" make --no-print-directory cluster-up
    timed "images, the rest" images_built
    timed "images into the cluster" make --no-print-directory cluster-load IMAGES="$names"
fi
show=(--durations=0 --durations-min=5)
# Most of a test is waiting for pods, so more of them than cores run at once.
timed "tests side by side" "$UV" run --locked pytest tests/e2e -m "not alone" \
    --numprocesses="${WORKERS:-5}" --no-loadscope-reorder "${show[@]}"
timed "tests that disturb others" "$UV" run --locked pytest tests/e2e -m alone "${show[@]}"
