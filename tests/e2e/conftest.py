"""Against the cluster of the current kube context: KUBECONFIG names one, `make cluster-up` starts one."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.e2e.cluster_access import OURS, Namespace, Release, a_namespace


def pytest_configure() -> None:
    ours = OURS / "pki" / "admin.conf"
    if "KUBECONFIG" not in os.environ and ours.exists():
        os.environ["KUBECONFIG"] = str(ours)


LONGEST_FIRST = ("test_newcomer", "test_release", "test_extractor_modes", "test_backup", "test_chart_testing")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of one release run in order on one worker, all others on any; what takes longest begins first."""
    for item in items:
        if "namespace" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.xdist_group(item.path.stem))
    rank = {name: number for number, name in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: rank.get(item.path.stem, len(rank)))


@pytest.fixture(scope="module")
def namespace() -> Iterator[Namespace]:
    """A namespace that Katib watches, for the tests of one module."""
    with a_namespace() as made:
        yield made


@pytest.fixture(scope="module")
def release(namespace: Namespace) -> Release:
    """A release in it, not installed yet."""
    return Release(namespace)
