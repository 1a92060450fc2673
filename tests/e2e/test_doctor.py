"""atelier doctor on a real cluster: it reports nothing where nothing is missing, and names what lacks or fails."""

from __future__ import annotations

import pytest

from tests.e2e.cluster_access import (
    DIGITS,
    LABEL,
    MINUTES,
    Namespace,
    a_release,
    digits_lack,
    doctor,
    eventually,
    taken_away,
)

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


def test_what_a_quota_refuses_is_named_before_and_after_an_installation() -> None:
    with a_release() as release:
        release.namespace.kubectl("create", "quota", "small", "--hard=limits.cpu=8,pods=10")
        report = digits_lack(release.namespace)
        assert "must specify limits.cpu for: server (server), extractor (wait, promote)" in report, report
        assert "# set server.resources.limits.cpu, extractor.resources.limits.cpu, or have a LimitRange" in report
        release.upgrade()
        refused = "its pods are refused: failed quota: small: must specify limits.cpu for: "

        def both() -> bool:
            found = doctor(release.namespace)
            return f"{refused}server" in found and f"{refused}promote,wait" in found

        eventually(both, MINUTES, "refused pods of server and extractor", every=2)


def test_what_a_limit_range_refuses_is_named(namespace: Namespace) -> None:
    limits = [{"type": "Container", "max": {"memory": "1536Mi"}}]
    metadata = {"name": "small", "namespace": namespace.name}
    namespace.apply({"apiVersion": "v1", "kind": "LimitRange", "metadata": metadata, "spec": {"limits": limits}})
    report = digits_lack(namespace)
    namespace.kubectl("delete", "limitrange", "small")
    assert "trainer.resources.limits.memory is 2Gi, and a container may have at most 1536Mi" in report, report
    assert "missing: 0" in digits_lack(namespace)


def test_a_release_whose_images_and_nodes_are_not_there_is_examined() -> None:
    with a_release() as release:
        release.upgrade(
            "server.image.tag=none", "trainer.resources.requests.cpu=999", "trainer.resources.limits.cpu=999"
        )
        expected = (
            "server pod",
            "server:none cannot be pulled: ErrImageNeverPull",
            "no node takes it: 0/",
            "Insufficient cpu",
        )
        eventually(
            lambda: all(text in doctor(release.namespace) for text in expected),
            2 * MINUTES,
            "both in the report",
            every=2,
        )
        assert "has no release 'digit'; allowed: digits" in doctor(release.namespace, "--release", "digit")
