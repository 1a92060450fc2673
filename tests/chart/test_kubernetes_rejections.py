"""What a cluster would refuse of a release or of a trial's pods is refused before there is one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.chart.rejections import QUICKSTART, names, one_machine, said, values
from tests.chart.rendering import API_VERSIONS, HELMS, refused, render
from tests.chart.schemas import violations

pytestmark = pytest.mark.process

REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"

OF_TRIALS: dict[str, list[tuple[str, Any]]] = {
    "shapes": [
        ("trainer.pod.env", [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "a"}}}]),
        (
            "trainer.pod.volumes",
            [
                {"name": "a", "hostPath": {}},
                {"name": "b", "nfs": {"server": "a"}},
                {"name": "c", "configMap": {"name": "a", "items": [{"key": "a"}], "defaultMode": 999}},
                {"name": "d", "emptyDir": {"size": "1Gi"}},
                {"name": "e", "ephemeral": {}},
            ],
        ),
        ("trainer.pod.volumeMounts", [{"name": "a", "mountPath": "/a", "subPath": "a", "subPathExpr": "b"}]),
        ("trainer.pod.affinity.nodeAffinity", {REQUIRED: {"nodeSelectorTerms": []}}),
        ("trainer.pod.affinity.podAffinity", {REQUIRED: [{"labelSelector": {"matchLabel": {}}}]}),
        ("networkPolicy.trialEgress", [{"ports": [{"port": 99999}]}]),
        ("trainer.pod.timeoutSeconds", 3_000_000_000),
        ("trainer.finish.average", 1000),
    ],
    "texts": [
        (
            "trainer.pod.env",
            [
                {"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodename"}}},
                {"name": "B", "valueFrom": {"resourceFieldRef": {"resource": "limits.gpu"}}},
                {"name": "C", "valueFrom": {"secretKeyRef": {"name": "a", "key": "a/b"}}},
            ],
        ),
        (
            "trainer.pod.volumes",
            [
                {"name": "a", "emptyDir": {"sizeLimit": "much"}},
                {"name": "b", "secret": {"secretName": "a", "items": [{"key": "a", "path": "../a"}]}},
            ],
        ),
        ("trainer.pod.volumeMounts", [{"name": "a", "mountPath": "/a", "subPath": "/a"}]),
        (
            "networkPolicy.trialEgress",
            [{"to": [{"ipBlock": {"cidr": "10.0.0.0/33"}}], "ports": [{"port": "a port"}]}],
        ),
    ],
}

PLACES = {
    "shapes": [
        "trainer.pod.env[0].valueFrom.secretKeyRef.key",
        "trainer.pod.volumes[0].hostPath.path",
        "trainer.pod.volumes[1].nfs.path",
        "trainer.pod.volumes[2].configMap.items[0].path",
        "trainer.pod.volumes[2].configMap.defaultMode",
        "trainer.pod.volumes[3].emptyDir.size",
        "trainer.pod.volumes[4].ephemeral.volumeClaimTemplate",
        "trainer.pod.volumeMounts[0].subPathExpr",
        f"trainer.pod.affinity.nodeAffinity.{REQUIRED}.nodeSelectorTerms",
        f"trainer.pod.affinity.podAffinity.{REQUIRED}[0].topologyKey",
        f"trainer.pod.affinity.podAffinity.{REQUIRED}[0].labelSelector.matchLabel",
        "networkPolicy.trialEgress[0].ports[0].port",
        "trainer.pod.timeoutSeconds",
        "trainer.finish.average",
    ],
    "texts": [
        "trainer.pod.env[0].valueFrom.fieldRef.fieldPath",
        "trainer.pod.env[1].valueFrom.resourceFieldRef.resource",
        "trainer.pod.env[2].valueFrom.secretKeyRef.key",
        "trainer.pod.volumes[0].emptyDir.sizeLimit",
        "trainer.pod.volumes[1].secret.items[0].path",
        "trainer.pod.volumeMounts[0].subPath",
        "networkPolicy.trialEgress[0].to[0].ipBlock.cidr",
        "networkPolicy.trialEgress[0].ports[0].port",
    ],
}


@pytest.mark.parametrize("kind", OF_TRIALS)
def test_what_kubernetes_would_refuse_of_a_trial_is_refused_before_there_is_one(kind: str, tmp_path: Path) -> None:
    """Nobody looks into an Experiment's trials until the first is to run."""
    error = refused(QUICKSTART, values=values(*OF_TRIALS[kind]))
    lines = said(error) if kind == "texts" else []
    named = [place for place in PLACES[kind] if names(error, place) or any(f"{place}: " in line for line in lines)]
    assert named == PLACES[kind], error
    found = one_machine(OF_TRIALS[kind], tmp_path)
    assert [place for place in PLACES[kind] if not any(f": {place}: " in line for line in found)] == []


SOUND: list[tuple[str, Any]] = [
    (
        "trainer.pod.env",
        [
            {"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['a/b']"}}},
            {"name": "B", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory", "divisor": "1Mi"}}},
            {"name": "C", "valueFrom": {"secretKeyRef": {"name": "a", "key": "a.b", "optional": True}}},
        ],
    ),
    (
        "trainer.pod.volumes",
        [
            {"name": "a", "emptyDir": {"sizeLimit": "1Gi", "medium": "Memory"}},
            {"name": "b", "secret": {"secretName": "a", "items": [{"key": "a", "path": "b/..c", "mode": 256}]}},
            {"name": "c", "hostPath": {"path": "/data", "type": "Directory"}},
        ],
    ),
    ("trainer.pod.volumeMounts", [{"name": "a", "mountPath": "/a", "subPath": "b/c"}]),
    (
        "trainer.pod.affinity",
        {
            "nodeAffinity": {
                REQUIRED: {"nodeSelectorTerms": [{"matchExpressions": [{"key": "a", "operator": "Exists"}]}]}
            },
            "podAntiAffinity": {
                REQUIRED: [{"labelSelector": {"matchLabels": {"a": "b"}}, "topologyKey": "kubernetes.io/hostname"}]
            },
        },
    ),
    ("networkPolicy.enabled", True),
    (
        "networkPolicy.trialEgress",
        [{"to": [{"ipBlock": {"cidr": "fd00::/8"}}], "ports": [{"port": "https"}, {"port": 443}]}],
    ),
]


def test_what_kubernetes_takes_of_a_trial_is_rendered() -> None:
    objects = render(QUICKSTART, values=values(*SOUND))
    assert [error for one in objects for error in violations(one)] == []


@pytest.mark.parametrize("helm", HELMS)
def test_a_cluster_without_katib_is_refused_with_the_way_out(helm: str) -> None:
    error = refused(QUICKSTART, helm=helm, api_versions=())
    assert "-a kubeflow.org/v1beta1/Experiment" in error
    assert "katib.crdCheck=false" in error
    assert render(QUICKSTART, helm=helm, api_versions=(), set=["katib.crdCheck=false"])


def test_a_cluster_without_the_gateway_api_is_refused() -> None:
    route = values(("server.httpRoute", {"enabled": True, "parentRefs": [{"name": "gateway"}]}))
    error = refused(QUICKSTART, values=route, api_versions=[one for one in API_VERSIONS if "gateway" not in one])
    assert "cluster: has no gateway.networking.k8s.io/v1/HTTPRoute" in error


@pytest.mark.parametrize("release", ["1digits", "digits.v2"])
def test_a_release_name_that_services_do_not_allow_is_refused(release: str) -> None:
    assert f'release name: "{release}"' in refused(QUICKSTART, release=release)


def test_a_name_of_ones_own_makes_up_for_the_releases() -> None:
    assert render(QUICKSTART, release="1digits", set=["fullnameOverride=digits"])
