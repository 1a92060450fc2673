# Needs python3 (3.11 or newer), make and PyPI, and for the chart's tests Go and promtool; everything else comes into .tools and .venv,
# at locked versions.
UV_VERSION := 0.13.9
PYTHON ?= python3
GO ?= go
STORE ?= ./store
SERVE ?= 1
UV := .tools/bin/uv
HELMS_AND_CT := .tools/bin/helm .tools/bin/helm3 .tools/bin/ct
export UV_PYTHON_DOWNLOADS := never

.PHONY: help setup demo tools images images-import-microk8s bench-serving test soak lint clean

help: ## Show what can be made
	@grep -E '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 24

$(UV): Makefile
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "$(PYTHON) is $$($(PYTHON) -V); Python 3.11 or newer is needed: make PYTHON=python3.12 …" >&2; exit 2; }
	@$(PYTHON) -m venv .tools || { echo "$(PYTHON) cannot make virtual environments; on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 2; }
	@.tools/bin/pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@touch $@

setup: $(UV) ## Install everything, as locked
	@$(UV) sync --locked --python $(PYTHON)

demo: setup ## Search, promote, predict and serve on scikit-learn's digits (SERVE=0 ends after the predictions)
	@$(UV) run --locked atelier up --values values/quickstart.yaml --store $(STORE) $(if $(filter 0,$(SERVE)),--no-serve)

tools: $(HELMS_AND_CT) ## Build Helm 4, Helm 3 and chart-testing, which the chart's tests run (needs Go)

# $(call pinned,folder of a go.mod,module): the version that it pins.
pinned = $(shell sed -n 's|^[[:space:]]*$(2) \(v[^ ]*\).*|\1|p' $(1)/go.mod)

# $(call go-build,folder of a go.mod,package,values that the linker sets)
define go-build
@$(GO) version >/dev/null 2>&1 || { echo "$(GO) is missing: Helm and ct are built with Go 1.26 (Go from 1.21 on fetches it); install it, or: make GO=/path/to/go tools" >&2; exit 2; }
@mkdir -p $(@D)
CGO_ENABLED=0 $(GO) build -C $(1) -trimpath -buildvcs=false -ldflags "-s -w $(addprefix -X ,$(3))" -o $(CURDIR)/$@ $(2)
endef

.tools/bin/helm: tools/go.mod tools/go.sum
	$(call go-build,tools,helm.sh/helm/v4/cmd/helm,helm.sh/helm/v4/internal/version.version=$(call pinned,tools,helm.sh/helm/v4))

.tools/bin/ct: tools/go.mod tools/go.sum
	$(call go-build,tools,github.com/helm/chart-testing/v3/ct,github.com/helm/chart-testing/v3/ct/cmd.Version=$(call pinned,tools,github.com/helm/chart-testing/v3))

# Helm 4 knows by itself which Kubernetes it was made for; Helm 3 is told: 1.36 is what k8s.io/client-go v0.36 speaks.
.tools/bin/helm3: KUBERNETES_MINOR = $(word 2,$(subst ., ,$(call pinned,tools/helm3,k8s.io/client-go)))
.tools/bin/helm3: tools/helm3/go.mod tools/helm3/go.sum
	$(call go-build,tools/helm3,helm.sh/helm/v3/cmd/helm,helm.sh/helm/v3/internal/version.version=$(call pinned,tools/helm3,helm.sh/helm/v3) \
		$(foreach package,chartutil lint/rules,helm.sh/helm/v3/pkg/$(package).k8sVersionMajor=1 helm.sh/helm/v3/pkg/$(package).k8sVersionMinor=$(KUBERNETES_MINOR)))

images: ## Build both images with docker, podman or buildah; takes BASE, TORCH_INDEX, CA and REGISTRY (docs/images.md)
	@$(PYTHON) -m tools.images build

images-import-microk8s: ## Hand both images to the MicroK8s of this machine
	@$(PYTHON) -m tools.images import-microk8s

.PHONY: cluster-up cluster-down cluster-status cluster-load cluster-base e2e
CLUSTER = @$(UV) run --locked python -m tools.cluster

cluster-up: setup ## Start a real Kubernetes with Katib and Prometheus on this machine (Debian or Ubuntu, as root; needs Go)
	$(CLUSTER) up

cluster-down: setup ## Stop it and put the machine back (ALL=1 removes its binaries and images as well)
	$(CLUSTER) down $(if $(ALL),--all)

cluster-status: setup ## What of it runs, or was left
	$(CLUSTER) status

cluster-load: setup ## Bring images of docker, podman or buildah into it: IMAGES="name:tag …"
	$(CLUSTER) load $(IMAGES)

cluster-base: setup ## Give docker, podman or buildah the image localhost/base:1, for make images where no registry can be reached
	$(CLUSTER) base

e2e: setup tools ## Test the chart on a real cluster: up, images, tests, down; KUBECONFIG=FILE: on a cluster that is there and has the images
	@PYTHON=$(PYTHON) UV=$(CURDIR)/$(UV) tests/e2e/run.sh

.PHONY: kind-up kind-down
kind-up: ## The same on kind, with upstream's Katib and the images of make images (needs docker, kind, kubectl; tools/cluster/kind.md)
	@tools/cluster/kind.sh up

kind-down: ## Delete it
	@tools/cluster/kind.sh down

bench-serving: setup ## Predictions a second beside the limit, MLServer and KServe's server (needs wrk; takes minutes)
	@$(UV) run --locked python -m benchmarks.serving

test: lint tools ## Run every test that needs no cluster
	@$(UV) run --locked pytest --numprocesses=logical --dist=loadfile

soak: setup ## The server's robustness tests in full: fuzzing, damaged versions, a million requests, a thousand swaps (half an hour)
	@$(UV) run --locked pytest tests/server -m soak

.PHONY: chart-docs
chart-docs: setup ## Write what the chart generates: facts.json, conditions and descriptions of the schema, tables of its README
	@$(UV) run --locked python tools/chart_facts.py
	@$(UV) run --locked python tools/chart_docs.py

lint: setup
	@$(UV) run --locked ruff check
	@$(UV) run --locked ruff format --check
	@$(UV) run --locked mypy
	@$(UV) run --locked lint-imports --no-logo

.PHONY: release
release: setup .tools/bin/helm ## Make a release, pushing nothing: VERSION=x.y.z; REHEARSE=1 keeps it to dist/, IMAGES=0 builds no image (RELEASE.md)
	@UV=$(CURDIR)/$(UV) $(UV) run --locked python tools/release.py "$(VERSION)" $(if $(REHEARSE),--rehearse) $(if $(filter 0,$(IMAGES)),--no-images)

clean: ## Remove what was installed; stores stay
	rm -rf .tools .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
