"""Against the cluster of the current kube context: KUBECONFIG says which, `make cluster-up` starts one."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator

import pytest
from cluster_access import ROOT, Namespace, Release, run
from cluster_access import kubectl_program as kubectl

LABEL = "katib.kubeflow.org/metrics-collector-injection=enabled"


def pytest_configure() -> None:
    ours = ROOT / ".cluster" / "run" / "pki" / "admin.conf"
    if "KUBECONFIG" not in os.environ and ours.exists():
        os.environ["KUBECONFIG"] = str(ours)


def new_namespace(*labels: str) -> Namespace:
    name = f"e2e-{uuid.uuid4().hex[:6]}"
    run(kubectl(), "create", "namespace", name)
    run(kubectl(), "label", "namespace", name, LABEL, *labels)
    return Namespace(name)


def remove(namespace: Namespace) -> None:
    """Everything in it, Experiments first: their finalizers need Katib."""
    namespace.kubectl("delete", "experiments.kubeflow.org", "--all", "--timeout=60s", may_fail=True)
    run(kubectl(), "delete", "namespace", namespace.name, "--timeout=120s", may_fail=True)


@pytest.fixture(scope="module")
def namespace() -> Iterator[Namespace]:
    """A namespace that Katib looks at, for the tests of one module."""
    made = new_namespace()
    try:
        yield made
    finally:
        remove(made)


@pytest.fixture(scope="module")
def release(namespace: Namespace) -> Iterator[Release]:
    """A release in it, not installed yet."""
    made = Release(namespace)
    try:
        yield made
    finally:
        made.uninstall()
