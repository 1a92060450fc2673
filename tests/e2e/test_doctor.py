"""atelier doctor on a real cluster: it reports nothing where nothing is missing, and names whatever is taken away."""

from __future__ import annotations

import pytest

from tests.e2e.cluster_access import DIGITS, LABEL, Namespace, digits_lack, doctor, taken_away

WITHOUT_LABEL = LABEL.replace("=enabled", "-")


def test_a_namespace_that_is_ready_lacks_nothing(namespace: Namespace) -> None:
    report = digits_lack(namespace)
    assert "missing: 0" in report, report


def test_the_label_of_the_namespace_is_named(namespace: Namespace) -> None:
    label = ["label", "namespace", namespace.name]
    with taken_away([*label, WITHOUT_LABEL], [*label, LABEL]):
        report = digits_lack(namespace)
    assert "missing: 1" in report
    assert f"label --overwrite namespace {namespace.name} {LABEL}" in report


def test_a_volume_that_no_class_gives_is_named(namespace: Namespace) -> None:
    report = digits_lack(namespace, "storage.storageClassName=none-of-this-name")
    assert "none-of-this-name" in report
    assert "missing: 1" in report


@pytest.mark.parametrize("resource", ["cpu", "nvidia.com/gpu"])
def test_a_trial_that_no_node_can_hold_is_named(namespace: Namespace, resource: str) -> None:
    report = digits_lack(
        namespace, f"trainer.resources.requests={{{resource}: 1000}}", f"trainer.resources.limits={{{resource}: 1000}}"
    )
    assert f"trainer.resources.requests.{resource} is 1000" in report
    assert "missing: 1" in report


def test_katib_that_is_elsewhere_is_named(namespace: Namespace) -> None:
    report = doctor(namespace, "-f", DIGITS, "--katib-namespace", "default")
    assert "no such Deployment in namespace default" in report


def test_without_a_search_katib_is_not_needed(namespace: Namespace) -> None:
    label = ["label", "namespace", namespace.name]
    with taken_away([*label, WITHOUT_LABEL], [*label, LABEL]):
        assert "missing: 0" in digits_lack(namespace, "experiment.enabled=false")
