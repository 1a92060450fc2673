"""Against the cluster of the current kube context: KUBECONFIG names one, `make cluster-up` starts one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

from tests.e2e.cluster_access import AT_THE_END, OURS, Namespace, Release, a_namespace


def pytest_configure() -> None:
    ours = OURS / "pki" / "admin.conf"
    if "KUBECONFIG" not in os.environ and ours.exists():
        os.environ["KUBECONFIG"] = str(ours)


def pytest_sessionfinish() -> None:
    AT_THE_END.close()


LONGEST_FIRST = (
    "test_newcomer",
    "test_suggestion_service",
    "test_release",
    "test_extractor_modes",
    "test_backup",
    "test_chart_testing",
)
EACH_ITS_OWN_RELEASE = ("test_faults", "test_limits")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    rank = {name: number for number, name in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: rank.get(item.path.stem, len(rank)))


class Scheduling(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
    """Tests of a file share a release and run in order on one worker, but in files whose tests have a release each."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return nodeid if Path(file).stem in EACH_ITS_OWN_RELEASE else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Scheduling:
    return Scheduling(config, log)


@pytest.fixture(scope="module")
def namespace() -> Iterator[Namespace]:
    """A namespace that Katib watches, for the tests of one module."""
    with a_namespace() as made:
        yield made


@pytest.fixture(scope="module")
def release(namespace: Namespace) -> Release:
    """A release in it, not installed yet."""
    return Release(namespace)
