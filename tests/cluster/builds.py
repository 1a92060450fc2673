"""Go modules to binaries; built again only if their pins or packages changed."""

from __future__ import annotations

import hashlib
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from .commands import logged, output
from .layout import BIN, PINS, UPSTREAM
from .steps import Failure, Step

GO_NEEDED = "Go is missing: install Go 1.24 or newer: the cluster is built from Go modules"


@dataclass(frozen=True)
class Module:
    """One upstream that tools/cluster pins, the binaries made of it by name, and its manifests."""

    name: str
    upstream: str
    packages: dict[str, str]
    stamped: tuple[str, ...] = ()
    """Packages that the version is written into: clients read it from the server."""
    manifests: tuple[str, ...] = ()
    pins: Path = PINS

    def version(self) -> str:
        pins = self.pins / "go.mod"
        found = re.search(rf"^(?:require |\s+){re.escape(self.upstream)} (v\S+)", pins.read_text(), re.MULTILINE)
        if found is None:
            raise Failure(f"{pins} pins no {self.upstream}")
        return found[1]

    def fingerprint(self) -> str:
        pins = [file.read_text() for file in sorted(self.pins.rglob("*")) if file.is_file()]
        return hashlib.sha256(
            "\0".join([*pins, repr((self.packages, self.linker(), self.manifests))]).encode()
        ).hexdigest()

    def linker(self) -> str:
        version = self.version()
        major, minor, _ = version.removeprefix("v").split(".", 2)
        values = {"gitVersion": version, "gitMajor": major, "gitMinor": minor}
        return " ".join(
            ["-s -w", *(f"-X {package}.{name}={value}" for package in self.stamped for name, value in values.items())]
        )


KUBERNETES = Module(
    "kubernetes",
    "k8s.io/kubernetes",
    {
        name: f"k8s.io/kubernetes/cmd/{name}"
        for name in ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", "kubectl")
    },
    stamped=("k8s.io/component-base/version", "k8s.io/client-go/pkg/version"),
)
COREDNS = Module("coredns", "github.com/coredns/coredns", {"coredns": "./coredns"})
KATIB = Module(
    "katib",
    "github.com/kubeflow/katib",
    {
        "katib-controller": "github.com/kubeflow/katib/cmd/katib-controller/v1beta1",
        "katib-db-manager": "github.com/kubeflow/katib/cmd/db-manager/v1beta1",
        "file-metricscollector": "github.com/kubeflow/katib/cmd/metricscollector/v1beta1/file-metricscollector",
        "goptuna-suggestion": "github.com/kubeflow/katib/cmd/suggestion/goptuna/v1beta1",
    },
    manifests=("manifests/v1beta1",),
)
PROMETHEUS_OPERATOR = Module(
    "prometheus-operator",
    "github.com/prometheus-operator/prometheus-operator",
    {
        "operator": "github.com/prometheus-operator/prometheus-operator/cmd/operator",
        "prometheus-config-reloader": "github.com/prometheus-operator/prometheus-operator/cmd/prometheus-config-reloader",
    },
    manifests=("example/prometheus-operator-crd", "example/rbac/prometheus-operator", "example/rbac/prometheus"),
)
PROMETHEUS = Module(
    "prometheus",
    "github.com/prometheus/prometheus",
    {"prometheus": "github.com/prometheus/prometheus/cmd/prometheus"},
    pins=PINS / "prometheus",
)
"""Debian's cannot ask Kubernetes for what to scrape."""
ALL = (KUBERNETES, COREDNS, KATIB, PROMETHEUS_OPERATOR, PROMETHEUS)


def ensure(module: Module, step: Step) -> str:
    stamp = BIN / f".{module.name}"
    if (
        stamp.exists()
        and stamp.read_text() == module.fingerprint()
        and all((BIN / name).exists() for name in module.packages)
    ):
        return f"{module.version()} kept"
    if shutil.which("go") is None:
        raise Failure(GO_NEEDED)
    BIN.mkdir(parents=True, exist_ok=True)
    stamp.unlink(missing_ok=True)
    for name, package in module.packages.items():
        step.now(f"building {name}")
        _build(module, name, package)
    _copy_manifests(module)
    stamp.write_text(module.fingerprint())
    return f"{module.version()} built"


def _build(module: Module, name: str, package: str) -> None:
    # Into another file first: a binary that runs cannot be written to.
    new = BIN / f"{name}.new"
    flags = ["-trimpath", "-buildvcs=false", "-ldflags", module.linker()]
    logged(
        f"build-{name}", "go", "build", "-C", module.pins, *flags, "-o", new, package, environment={"CGO_ENABLED": "0"}
    )
    new.rename(BIN / name)


def _copy_manifests(module: Module) -> None:
    if not module.manifests:
        return
    source = Path(output("go", "list", "-C", module.pins, "-m", "-f", "{{.Dir}}", module.upstream).strip())
    target = UPSTREAM / module.name
    shutil.rmtree(target, ignore_errors=True)
    for folder in module.manifests:
        # Files in the module cache are read-only: their content alone is copied.
        for file in (source / folder).rglob("*.yaml"):
            copy = target / file.relative_to(source)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, copy)
