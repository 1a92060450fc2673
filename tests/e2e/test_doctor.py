"""atelier doctor on a real cluster: nothing to say where all is there, and each thing by its name when it is taken away."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.e2e.cluster_access import DIGITS, LABEL, MINUTES, Namespace, doctor, eventually, run, without_katib
from tests.e2e.cluster_access import kubectl_program as kubectl

pytestmark = pytest.mark.alone

WITHOUT_LABEL = LABEL.replace("=enabled", "-")
DEFAULT = "storageclass.kubernetes.io/is-default-class"


@contextmanager
def taken_away(take: list[str], give_back: list[str]) -> Iterator[None]:
    """Something that kubectl takes away while the block runs."""
    run(kubectl(), *take)
    try:
        yield
    finally:
        run(kubectl(), *give_back)


def missing(namespace: Namespace, *sets: str) -> str:
    return doctor(namespace, "-f", DIGITS, *(f"--set={one}" for one in sets))


def test_a_namespace_that_is_ready_lacks_nothing(namespace: Namespace) -> None:
    said = missing(namespace)
    assert "missing: 0" in said, said


def test_the_label_of_the_namespace_is_named(namespace: Namespace) -> None:
    label = ["label", "namespace", namespace.name]
    with taken_away([*label, WITHOUT_LABEL], [*label, LABEL]):
        said = missing(namespace)
    assert "missing: 1" in said
    assert f"label --overwrite namespace {namespace.name} {LABEL}" in said


def test_katibs_controller_is_named(namespace: Namespace) -> None:
    with without_katib():
        said = eventually(
            lambda: (said := missing(namespace)) and "missing: 1" in said and said, MINUTES, "a missing controller"
        )
    assert "rollout restart deployment/katib-controller" in said


def test_the_default_storage_class_is_named(namespace: Namespace) -> None:
    classes = [
        one["metadata"]["name"]
        for one in namespace.get("storageclasses")
        if DEFAULT in one["metadata"].get("annotations", {})
    ]
    assert len(classes) == 1
    annotate = ["annotate", "--overwrite", "storageclass", classes[0]]
    with taken_away([*annotate, f"{DEFAULT}=false"], [*annotate, f"{DEFAULT}=true"]):
        said = missing(namespace)
    assert "missing: 1" in said
    assert "storage" in said


def test_a_volume_that_no_class_gives_is_named(namespace: Namespace) -> None:
    said = missing(namespace, "storage.storageClassName=none-of-this-name")
    assert "none-of-this-name" in said
    assert "missing: 1" in said


@pytest.mark.parametrize("resource", ["cpu", "nvidia.com/gpu"])
def test_a_trial_that_no_node_can_hold_is_named(namespace: Namespace, resource: str) -> None:
    said = missing(
        namespace, f"trainer.resources.requests={{{resource}: 1000}}", f"trainer.resources.limits={{{resource}: 1000}}"
    )
    assert f"trainer.resources.requests.{resource} is 1000" in said
    assert "missing: 1" in said


def test_katib_that_is_elsewhere_is_named(namespace: Namespace) -> None:
    said = doctor(namespace, "-f", DIGITS, "--katib-namespace", "default")
    assert "no such Deployment in namespace default" in said


def test_without_a_search_katib_is_not_needed(namespace: Namespace) -> None:
    label = ["label", "namespace", namespace.name]
    with taken_away([*label, WITHOUT_LABEL], [*label, LABEL]):
        assert "missing: 0" in missing(namespace, "experiment.enabled=false")
