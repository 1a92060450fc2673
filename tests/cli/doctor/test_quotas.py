"""Quotas and LimitRanges that refuse a pod are named with the key of the value that decides it."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from atelier_cli.doctor.diagnosis import Diagnosis
from atelier_cli.doctor.pods import Container, pods
from atelier_cli.profile.loading import chart_defaults
from atelier_cli.profile.merging import merge

from tests.support.clusters import (
    CONFIG,
    DEPLOYMENTS,
    INSTALLED,
    QUOTAS,
    RANGES,
    ApiServer,
    examined,
    katib_config,
    limit_range,
    listed,
    quota,
    wrong,
)

TRAINED = "trainer.resources.limits"
SERVED = "server.resources.limits"
ENOUGH = {"default": {"cpu": "1", "memory": "1Gi"}, "defaultRequest": {"cpu": "10m", "memory": "10Mi"}}


def quotas(kubeconfig: Path, profile: Path, *overrides: str) -> list[Diagnosis]:
    return [one for one in examined(kubeconfig, profile, *overrides) if one.check == "quotas"]


def test_a_namespace_without_quotas_is_ok(kubeconfig: Path, profile: Path) -> None:
    (found,) = quotas(kubeconfig, profile)
    assert (found.result, found.message) == ("ok", "team has no ResourceQuota and no LimitRange")


def test_a_quota_of_a_limit_that_containers_do_not_have_names_them_and_their_keys(
    api: ApiServer, kubeconfig: Path, profile: Path
) -> None:
    api.objects[QUOTAS] = listed(quota("small", limits__cpu="40", limits__memory="80Gi", pods="10"))
    (found,) = wrong(examined(kubeconfig, profile))
    assert (found.check, found.result) == ("quotas", "missing")
    containers = r"must specify limits.cpu for: server \(server\), extractor \(wait, promote\); such pods are refused"
    assert re.fullmatch(f"ResourceQuota small: {containers}", found.message)
    keys = "server.resources.limits.cpu, extractor.resources.limits.cpu"
    assert found.fix == f"# set {keys}, or have a LimitRange in team that gives cpu a default"
    assert (
        wrong(examined(kubeconfig, profile, "server.resources.limits.cpu=1", "extractor.resources.limits.cpu=1")) == []
    )
    api.objects[RANGES] = listed(limit_range("defaults", **ENOUGH))
    assert wrong(examined(kubeconfig, profile)) == []


def test_a_limit_is_the_request_where_there_is_none() -> None:
    container = Container.of("trial", {"limits": {"cpu": "2", "memory": "1Gi"}, "requests": {"cpu": "500m"}})
    assert container.requests == {"cpu": Decimal("0.5"), "memory": Decimal(1024**3)}


@pytest.mark.parametrize(("asked", "first"), [({}, ["wait"]), ({"retrain": "always"}, ["wait", "finish"])])
def test_whatever_is_tried_at_the_end_trains_in_the_extractors_pod(asked: dict[str, str], first: list[str]) -> None:
    profile = {"experiment": {"earlyStopping": {"algorithmName": "none"}}, "trainer": {"finish": asked}}
    (extractor,) = [pod for pod in pods(merge(chart_defaults(), profile), None) if pod.component == "extractor"]
    assert [container.name for container in extractor.first] == first


@pytest.mark.parametrize(("most", "at_once"), [(2, 2), (30, 3)])
def test_no_more_trials_are_counted_than_there_are(most: int, at_once: int) -> None:
    values = merge(chart_defaults(), {"experiment": {"maxTrialCount": most}})
    (trial,) = [pod for pod in pods(values, None) if pod.component == "trial"]
    assert trial.count == at_once


@pytest.mark.parametrize("part", ["inspector", "board"])
def test_a_pod_beside_the_search_is_named_with_its_key(
    api: ApiServer, kubeconfig: Path, profile: Path, part: str
) -> None:
    api.objects[QUOTAS] = listed(quota("small", limits__cpu="40"))
    limits = ("server.resources.limits.cpu=1", "extractor.resources.limits.cpu=1", f"{part}.enabled=true")
    (found,) = wrong(examined(kubeconfig, profile, *limits))
    assert f"for: {part} ({part});" in found.message
    assert found.fix == f"# set {part}.resources.limits.cpu, or have a LimitRange in team that gives cpu a default"
    assert wrong(examined(kubeconfig, profile, *limits, f"{part}.resources.limits.cpu=1")) == []
    api.objects[QUOTAS] = listed(quota("small", requests__cpu="40"))
    (found,) = wrong(examined(kubeconfig, profile, f"{part}.enabled=true", f"{part}.resources.requests.cpu=41"))
    assert found.fix == f"# lower {part}.resources.requests.cpu, or raise the quota"


def test_an_extractor_that_trains_is_named_with_the_key_of_a_trials_limit(
    api: ApiServer, kubeconfig: Path, profile: Path
) -> None:
    api.objects[QUOTAS] = listed(quota("small", limits__memory="1500Mi"))
    (found,) = [one for one in wrong(examined(kubeconfig, profile)) if "one extractor pod needs" in one.message]
    assert found.fix == f"# lower {TRAINED}.memory, or raise the quota"


@pytest.mark.parametrize(
    ("item", "overrides", "message", "fix"),
    [
        (
            {"max": {"cpu": "2", "memory": "1536Mi"}},
            [],
            f"LimitRange small: {TRAINED}.memory is 2Gi, and a container may have at most 1536Mi",
            f"# set {TRAINED}.memory to at most 1536Mi, or change the LimitRange small",
        ),
        (
            {"max": {"cpu": "2"}, "default": {"cpu": "2"}},
            ["trainer.resources.requests.cpu=2500m", "trainer.resources.limits.cpu=2500m"],
            "trainer.resources.limits.cpu is 2500m, and a container may have at most 2",
            "# set trainer.resources",
        ),
        (
            {"min": {"memory": "256Mi"}},
            ["server.resources.requests.memory=128Mi"],
            "LimitRange small: server.resources.requests.memory is 128Mi, and a container may have at least 256Mi",
            "# set server.resources.requests.memory to at least 256Mi",
        ),
        (
            {"maxLimitRequestRatio": {"memory": "3"}},
            [],
            f"{SERVED}.memory is 1Gi and server.resources.requests.memory 256Mi, and a limit may be at most 3 times",
            "# set server.resources.requests.memory closer to the limit",
        ),
        (
            {"default": {"cpu": "200m"}, "defaultRequest": {"cpu": "100m"}},
            [],
            "server.resources.requests.cpu is 250m, and the default limit of a LimitRange is 200m",
            f"# set {SERVED}.cpu to 250m or more",
        ),
        (
            {"type": "Pod", "max": {"memory": "2Gi"}},
            [],
            f"LimitRange small: {TRAINED}.memory is 2148Mi, and a pod may have at most 2Gi",  # with Katib's sidecar
            f"# set {TRAINED}.memory",
        ),
        (
            {"type": "PersistentVolumeClaim", "max": {"storage": "5Gi"}},
            [],
            "LimitRange small: storage.size is 10Gi, and a claim may have at most 5Gi",
            "# set storage.size to at most 5Gi",
        ),
    ],
)
def test_what_a_limit_range_refuses_is_named(
    api: ApiServer, kubeconfig: Path, profile: Path, item: dict[str, Any], overrides: list[str], message: str, fix: str
) -> None:
    api.objects[RANGES] = listed(limit_range("small", **item))
    found = [one for one in wrong(examined(kubeconfig, profile, *overrides)) if one.check == "quotas"]
    assert message in "\n".join(one.message for one in found)
    assert fix in "\n".join(one.fix for one in found)
    assert {one.result for one in found} == {"missing"}


def test_katibs_containers_have_the_resources_that_its_configuration_gives_them(
    api: ApiServer, kubeconfig: Path, profile: Path
) -> None:
    bare = {"requests": {"memory": "-1"}, "limits": {"memory": "-1"}}
    suggestion = {"algorithmName": "random", "resources": {"limits": {"memory": "4Gi"}}}
    collectors = [{"kind": "StdOut", "resources": bare}]
    api.objects[CONFIG] = katib_config(metricsCollectors=collectors, suggestions=[suggestion])
    api.objects[QUOTAS] = listed(quota("small", requests__memory="40Gi"))
    api.objects[RANGES] = listed(limit_range("small", max={"memory": "3Gi"}))
    large, unsaid = wrong(examined(kubeconfig, profile))
    assert "katib-config (runtime.suggestions, random: resources.limits).memory is 4Gi" in large.message
    assert "must specify requests.memory for: trial (metrics-logger-and-collector)" in unsaid.message
    api.forbidden = {CONFIG}
    assert quotas(kubeconfig, profile)[0].result == "ok"  # nothing is assumed of what cannot be seen


@pytest.mark.parametrize(
    ("hard", "used", "result", "message"),
    [
        ({"requests__memory": "512Mi"}, {}, "missing", "one trial pod needs requests.memory 1034Mi, and 512Mi is all"),
        (
            {"requests__cpu": "4"},
            {"requests.cpu": "3"},
            "missing",
            "needs requests.cpu 2450m with one trial at a time, and 1 of 4",
        ),
        (
            {"requests__cpu": "4"},
            {},
            "warning",
            "all trials at once need requests.cpu 4500m, and 4 of 4 is left: fewer",
        ),
        ({"pods": "3"}, {}, "missing", "needs pods 4 with one trial at a time, and 3 of 3 is left"),
        ({"requests__storage": "5Gi"}, {}, "missing", "this needs requests.storage 10Gi"),
        ({"requests__cpu": "5", "pods": "9"}, {}, "ok", "ResourceQuota small: every pod may start"),
    ],
)
def test_what_a_quota_has_not_left_is_named(
    api: ApiServer,
    kubeconfig: Path,
    profile: Path,
    hard: dict[str, str],
    used: dict[str, str],
    result: str,
    message: str,
) -> None:
    api.objects[QUOTAS] = listed(quota("small", used, scopes=None, **hard))
    (found,) = quotas(kubeconfig, profile)
    assert found.result == result, found
    assert message in found.message
    api.objects[DEPLOYMENTS] = listed(INSTALLED)  # what is used is used by this very release
    (found,) = quotas(kubeconfig, profile)
    assert found.result == ("missing" if "is all" in message else "ok")


@pytest.mark.parametrize(
    ("scopes", "counts"),
    [
        ({"scopes": ["BestEffort"]}, False),
        ({"scopes": ["Terminating"]}, False),
        ({"scopes": ["NotTerminating"]}, True),
        (
            {
                "scopeSelector": {
                    "matchExpressions": [{"scopeName": "PriorityClass", "operator": "In", "values": ["low"]}]
                }
            },
            True,
        ),
        (
            {
                "scopeSelector": {
                    "matchExpressions": [{"scopeName": "PriorityClass", "operator": "In", "values": ["x"]}]
                }
            },
            False,
        ),
        ({"scopeSelector": {"matchExpressions": [{"scopeName": "PriorityClass", "operator": "Exists"}]}}, True),
    ],
)
def test_a_quota_counts_the_pods_of_its_scopes(
    api: ApiServer, kubeconfig: Path, profile: Path, scopes: dict[str, Any], counts: bool
) -> None:
    api.objects[QUOTAS] = listed(quota("small", scopes=scopes, limits__cpu="40"))
    (found,) = quotas(kubeconfig, profile, "server.pod.priorityClassName=low")
    assert ("must specify limits.cpu" in found.message) == counts


def test_the_profiles_own_quota_is_there_too(api: ApiServer, kubeconfig: Path, profile: Path) -> None:
    on = ("quota.enabled=true", "quota.hard={limits.cpu: 40, pods: 20}")
    assert wrong(examined(kubeconfig, profile, *on)) == []  # its containerDefaults give a limit
    (found,) = wrong(examined(kubeconfig, profile, "quota.enabled=true", "quota.hard={pods: 2}"))
    assert "ResourceQuota of the profile (quota.hard): this needs pods 4" in found.message
    small = "quota.containerDefaults.limits.cpu=100m"
    found = wrong(examined(kubeconfig, profile, *on, small))[0]
    assert "server.resources.requests.cpu is 250m, and the default limit of a LimitRange is 100m" in found.message
