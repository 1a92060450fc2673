"""Against the cluster of the current kube context: KUBECONFIG says which, `make cluster-up` starts one."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.e2e.cluster_access import OURS, Namespace, Release, a_namespace, a_release_in


def pytest_configure() -> None:
    ours = OURS / "pki" / "admin.conf"
    if "KUBECONFIG" not in os.environ and ours.exists():
        os.environ["KUBECONFIG"] = str(ours)


@pytest.fixture(scope="module")
def namespace() -> Iterator[Namespace]:
    """A namespace that Katib looks at, for the tests of one module."""
    with a_namespace() as made:
        yield made


@pytest.fixture(scope="module")
def release(namespace: Namespace) -> Iterator[Release]:
    """A release in it, not installed yet."""
    with a_release_in(namespace) as made:
        yield made
