#!/bin/sh
# A cluster on kind with upstream's Katib and prometheus-operator, and our two images: kind.sh up|down
set -eu
cd "$(dirname "$0")/../.."

NODE=${NODE:-kindest/node:v1.34.11@sha256:44e222ee2132dab25ff87301682f89eb82c7880ea3a1bf543bfe9708fd08d67d} # of kind v0.33.0
KATIB="github.com/kubeflow/katib.git/manifests/v1beta1/installs/katib-standalone?ref=v0.19.0"
OPERATOR=https://github.com/prometheus-operator/prometheus-operator/releases/download/v0.88.0/bundle.yaml
MANIFESTS=tools/cluster/manifests
export KUBECONFIG="$PWD/.tools/kind.conf"

fail() { echo "$*" >&2; exit 1; }

for program in docker kind kubectl; do
    command -v "$program" > /dev/null || fail "$program is missing: install it, then try again"
done
docker version > /dev/null || fail "docker does not answer: is its daemon running, and may you use it?"
case ${1:-} in
up) ;;
down) kind delete cluster --name atelier; rm -f "$KUBECONFIG"; exit ;;
*) fail "usage: $0 up|down" ;;
esac
images=$(python3 -m tools.images names)
echo "$images" | xargs docker image inspect > /dev/null || fail "docker lacks an image of $images: make images"

set -x # every command is shown; the last one shown is the one that failed
kind get clusters | grep -qx atelier || kind create cluster --name atelier --image "$NODE" --wait 5m
kind export kubeconfig --name atelier
echo "$images" | xargs kind load docker-image --name atelier
kubectl apply -k "$KATIB"
kubectl apply --server-side -f "$OPERATOR"
kubectl wait --for=condition=Established --timeout=1m crd/prometheuses.monitoring.coreos.com
kubectl kustomize --load-restrictor=LoadRestrictionsNone "$MANIFESTS/kind" | kubectl apply -f -
kubectl -n kubeflow wait --for=condition=Available --timeout=10m --all deployments
kubectl -n monitoring wait --for=condition=Available --timeout=5m prometheus/prometheus
kubectl apply -f "$MANIFESTS/webhooks-answer.yaml" # a namespace with Katib's label
timeout 90 sh -c "until kubectl create --dry-run=server -f $MANIFESTS/experiment.yaml; do sleep 1; done"
kubectl delete namespace webhooks-answer
