"""Go modules to binaries; built again only if their pins or packages changed."""

from __future__ import annotations

import hashlib
import re
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from .commands import logged, output
from .layout import BIN, PINS, UPSTREAM
from .steps import Failure, Step

GO_NEEDED = "Go is missing: install Go 1.25 or newer (from 1.21 on Go fetches it): the cluster is built from Go modules"
FLAGS = (
    *("-trimpath", "-buildvcs=false"),
    # Prometheus knows twenty clouds to scrape; here it asks Kubernetes alone.
    *("-tags", "remove_all_sd,enable_kubernetes_sd"),
    # Nobody debugs these binaries, and debug information is a tenth of a compiler's time and a quarter of Go's cache.
    "-gcflags=all=-dwarf=false",
)
ENVIRONMENT = {"CGO_ENABLED": "0", "GOGC": "400"}
"""Compilers collect garbage less often: another tenth of their time, for memory that a build has."""


@dataclass(frozen=True)
class Upstream:
    """A module that tools/cluster/go pins: its packages, those whose binary has another name, and its manifests."""

    module: str
    packages: tuple[str, ...]
    renamed: dict[str, str] = field(default_factory=dict)
    manifests: tuple[str, ...] = ()

    def version(self) -> str:
        pins = PINS / "go.mod"
        pin = re.search(rf"^(?:require |\s+){re.escape(self.module)} (v\S+)", pins.read_text(), re.MULTILINE)
        if pin is None:
            raise Failure(f"{pins} pins no {self.module}")
        return pin[1]

    def binaries(self) -> dict[str, str]:
        """Packages by the name of their binary."""
        return {package.rpartition("/")[2]: package for package in self.packages} | self.renamed


KUBERNETES = Upstream(
    "k8s.io/kubernetes",
    tuple(
        f"k8s.io/kubernetes/cmd/{name}"
        for name in ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", "kubectl")
    ),
)
COREDNS = Upstream("github.com/coredns/coredns", ("./coredns",))
KATIB = Upstream(
    "github.com/kubeflow/katib",
    ("github.com/kubeflow/katib/cmd/metricscollector/v1beta1/file-metricscollector",),
    {
        "katib-controller": "github.com/kubeflow/katib/cmd/katib-controller/v1beta1",
        "katib-db-manager": "github.com/kubeflow/katib/cmd/db-manager/v1beta1",
        "goptuna-suggestion": "github.com/kubeflow/katib/cmd/suggestion/goptuna/v1beta1",
    },
    manifests=("manifests/v1beta1",),
)
PROMETHEUS_OPERATOR = Upstream(
    "github.com/prometheus-operator/prometheus-operator",
    (
        "github.com/prometheus-operator/prometheus-operator/cmd/operator",
        "github.com/prometheus-operator/prometheus-operator/cmd/prometheus-config-reloader",
    ),
    manifests=("example/prometheus-operator-crd", "example/rbac/prometheus-operator", "example/rbac/prometheus"),
)
PROMETHEUS = Upstream("github.com/prometheus/prometheus", ("github.com/prometheus/prometheus/cmd/prometheus",))
"""Debian's cannot ask Kubernetes for what to scrape."""
ALL = (KUBERNETES, COREDNS, KATIB, PROMETHEUS_OPERATOR, PROMETHEUS)


def ensure(step: Step) -> str:
    stamp = BIN / ".built-from"
    wanted = fingerprint()
    binaries = [name for upstream in ALL for name in upstream.binaries()]
    if stamp.exists() and stamp.read_text() == wanted and all((BIN / name).exists() for name in binaries):
        return f"{len(binaries)} kept"
    if shutil.which("go") is None:
        raise Failure(GO_NEEDED)
    stamp.unlink(missing_ok=True)
    _build(step)
    for upstream in ALL:
        _copy_manifests(upstream)
    stamp.write_text(wanted)
    return f"{len(binaries)} built"


def fingerprint() -> str:
    """A digest of everything that the binaries and manifests are made of."""
    pins = [file.read_text() for file in sorted(PINS.rglob("*")) if file.is_file()]
    return hashlib.sha256("\0".join([*pins, repr((ALL, FLAGS, linker()))]).encode()).hexdigest()


def linker() -> str:
    """Clients read Kubernetes' version from the server; a value for a package that a program lacks is ignored."""
    version = KUBERNETES.version()
    major, minor, _ = version.removeprefix("v").split(".", 2)
    values = {"gitVersion": version, "gitMajor": major, "gitMinor": minor}
    stamped = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    return " ".join(
        ["-s -w", *(f"-X {package}.{name}={value}" for package in stamped for name, value in values.items())]
    )


def _build(step: Step) -> None:
    # Into another folder first: a binary that runs cannot be written to.
    new = BIN / "new"
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    command = ("go", "build", "-C", PINS, *FLAGS, "-ldflags", linker(), "-o")
    step.now("compiling")
    # In one command, so that programs are linked while others are still compiled.
    logged(
        "go-build", *command, f"{new}/", *(p for upstream in ALL for p in upstream.packages), environment=ENVIRONMENT
    )
    for name, package in (item for upstream in ALL for item in upstream.renamed.items()):
        step.now(name)
        logged(f"go-build-{name}", *command, new / name, package, environment=ENVIRONMENT)
    for binary in new.iterdir():
        binary.rename(BIN / binary.name)
    new.rmdir()


def _copy_manifests(upstream: Upstream) -> None:
    if not upstream.manifests:
        return
    source = Path(output("go", "list", "-C", PINS, "-m", "-f", "{{.Dir}}", upstream.module).strip())
    target = UPSTREAM / upstream.module.rpartition("/")[2]
    shutil.rmtree(target, ignore_errors=True)
    for folder in upstream.manifests:
        # Files in the module cache are read-only: their content alone is copied.
        for file in (source / folder).rglob("*.yaml"):
            copy = target / file.relative_to(source)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, copy)
