"""What is said of pods beside what they do: labels, annotations, accounts, environment, registries, certificates."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from atelier_cli.profile import pods as profile_pods
from atelier_cli.profile.loading import chart_defaults
from atelier_cli.profile.merging import find, merge, with_value

from tests.chart.rendering import API_VERSIONS, BARE, HELMS, by_kind, only, render
from tests.chart.schemas import violations
from tests.chart.test_objects import QUICKSTART, pods

pytestmark = pytest.mark.process

PROXY = {"name": "HTTPS_PROXY", "value": "http://proxy.example:3128"}
OUTSIDE: dict[str, Any] = {
    "env": [PROXY],
    "trustedCA": {"configMap": "corporate"},
    "global": {"imageRegistry": "registry.example:5000"},
    "trainer": {
        "pod": {
            "labels": {"team": "vision", "app.kubernetes.io/component": "server"},
            "annotations": {"linkerd.io/inject": "disabled"},
            "serviceAccount": {"annotations": {"eks.amazonaws.com/role-arn": "arn"}},
        }
    },
    "extractor": {"pod": {"labels": {"team": "vision"}, "serviceAccount": {"name": "mine"}}},
    "inspector": {"enabled": True, "pod": {"annotations": {"team": "vision"}}, "resources": {"limits": {"cpu": 1}}},
    "server": {
        "pod": {"labels": {"team": "vision"}, "annotations": {"team": "y"}},
        "service": {"labels": {"team": "vision"}, "ipFamilyPolicy": "PreferDualStack", "ipFamilies": ["IPv6", "IPv4"]},
    },
}
"""Values that are not part of the search's name."""


@pytest.fixture(scope="module")
def objects() -> list[dict[str, Any]]:
    return render(QUICKSTART, values=OUTSIDE)


def pod(objects: list[dict[str, Any]], component: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Metadata and spec of the pod of a component."""
    ((_, metadata, spec),) = [one for one in pods(objects) if one[0] == component]
    return metadata, spec


def test_what_changes_no_training_is_not_in_the_searchs_name(objects: list[dict[str, Any]]) -> None:
    name = only(objects, "Experiment")["metadata"]["name"]
    assert name == only(render(QUICKSTART), "Experiment")["metadata"]["name"]


def test_what_is_rendered_is_what_kubernetes_takes(objects: list[dict[str, Any]]) -> None:
    assert [line for one in objects for line in violations(one)] == []


def test_pods_and_what_makes_them_have_the_labels_and_annotations_said(objects: list[dict[str, Any]]) -> None:
    trial = only(objects, "Experiment")["spec"]["trialTemplate"]["trialSpec"]
    made = [trial, only(objects, "Deployment"), next(one for one in by_kind(objects, "Job") if "extract" in str(one))]
    for one in made:
        assert one["metadata"]["labels"]["team"] == one["spec"]["template"]["metadata"]["labels"]["team"] == "vision"
    assert only(objects, "Service")["metadata"]["labels"]["team"] == "vision"
    assert pod(objects, "server")[0]["annotations"] == {"team": "y"}
    assert pod(objects, "trial")[0]["annotations"]["linkerd.io/inject"] == "disabled"


def test_labels_that_select_are_the_charts(objects: list[dict[str, Any]]) -> None:
    assert pod(objects, "trial")[0]["labels"]["app.kubernetes.io/component"] == "trial"


def test_pods_run_under_the_account_said_which_has_the_annotations(objects: list[dict[str, Any]]) -> None:
    accounts = {one["metadata"]["name"]: one for one in by_kind(objects, "ServiceAccount")}
    assert accounts.keys() == {"digits-atelier-trial", "digits-atelier-server"}
    assert accounts["digits-atelier-trial"]["metadata"]["annotations"] == {"eks.amazonaws.com/role-arn": "arn"}
    assert pod(objects, "trial")[1]["serviceAccountName"] == "digits-atelier-trial"
    assert pod(objects, "extractor")[1]["serviceAccountName"] == "mine"
    assert only(objects, "RoleBinding")["subjects"][0]["name"] == "mine"
    assert "serviceAccountName" not in pod(objects, "inspector")[1]


def test_no_mesh_keeps_a_job_from_ending(objects: list[dict[str, Any]]) -> None:
    for component in ("extractor", "inspector", "test"):
        annotations = pod(objects, component)[0]["annotations"]
        assert (annotations["sidecar.istio.io/inject"], annotations["linkerd.io/inject"]) == ("false", "disabled")


def test_every_container_has_the_environment_of_all(objects: list[dict[str, Any]]) -> None:
    for component, _, spec in pods(objects):
        for container in [*spec["containers"], *spec.get("initContainers", [])]:
            assert PROXY in container["env"], component
            assert len({one["name"] for one in container["env"]}) == len(container["env"])


def test_the_environment_of_a_pod_comes_before_that_of_all() -> None:
    own = {"name": "HTTPS_PROXY", "value": "http://other.example:3128"}
    home = {"name": "HOME", "value": "/home"}
    values = merge(OUTSIDE, {"server": {"pod": {"env": [own, home]}}})
    assert pod(render(QUICKSTART, values=values), "server")[1]["containers"][0]["env"] == [own, home]


KEY = "-----BEGIN PUBLIC KEY-----\nMFkw\n-----END PUBLIC KEY-----\n"
ENDS_AT_ONCE = {
    "experiment": {"earlyStopping": {"algorithmName": "none", "algorithmSettings": []}},
    "board": {"enabled": True},
}
WITH_VOLUMES: dict[str, dict[str, Any]] = {
    "nothing is to be finished": ENDS_AT_ONCE,
    "no picture is mirrored": ENDS_AT_ONCE | {"trainer": {"finish": {"mirror": False}}},
    "pictures are mirrored": ENDS_AT_ONCE | {"trainer": {"finish": {"mirror": True}}},
    "the winner is retrained": ENDS_AT_ONCE | {"trainer": {"finish": {"retrain": "always"}}},
    "everything": {
        "trainer": {"modules": {"mynets.py": ""}},
        "trustedCA": {"configMap": "corporate"},
        "promotion": {"sign": {"existingSecret": "key"}},
        "server": {"token": {"existingSecret": "token"}, "signedBy": {"publicKey": KEY}},
        "board": {"enabled": True, "token": {"existingSecret": "token"}},
    },
}


@pytest.mark.parametrize("what", WITH_VOLUMES)
def test_what_is_said_to_be_the_charts_own_is_what_its_pods_have(what: str) -> None:
    """Both engines refuse volumes and mounts of these names by one table: a profile would lose its own to them."""
    given = WITH_VOLUMES[what] | {"inspector": {"enabled": True}}
    values = merge(merge(chart_defaults(), yaml.safe_load(QUICKSTART.read_text())), given)
    every = profile_pods.own(profile_pods.OWN, lambda path: find(values, path))
    own = [one for one in every if one.volume != "metrics-volume"]
    objects = render(QUICKSTART, values=given)
    for block in ("trainer", "extractor", "server", "board", "inspector"):
        _, spec = pod(objects, "trial" if block == "trainer" else block)
        containers = [*spec.get("initContainers", ()), *spec["containers"]]
        there = [one for one in own if one.pod == block and not one.is_beside]
        assert {volume["name"] for volume in spec["volumes"]} == {one.volume for one in there}
        mounted = {(mount["name"], mount["mountPath"]) for one in containers for mount in one["volumeMounts"]}
        assert mounted == {(one.volume, one.mount) for one in there}
    beside = {one.volume for one in own if one.is_beside}
    of_trials, of_extractor = ({one.volume for one in own if one.pod == block} for block in ("trainer", "extractor"))
    assert beside == (of_extractor - (of_trials - beside) if "spec" in of_extractor else set())


@pytest.mark.parametrize("what", [{}, {"experiment": {"algorithm": {"algorithmName": "atelier"}}}])
def test_a_variable_gives_way_to_ones_own_or_is_said_to_be_the_charts_own(what: dict[str, Any]) -> None:
    values = merge(merge(chart_defaults(), yaml.safe_load(QUICKSTART.read_text())), WITH_VOLUMES["everything"] | what)
    of_chart = {one.name for one in profile_pods.own(profile_pods.OWN_VARIABLES, lambda path: find(values, path))}
    given = WITH_VOLUMES["everything"] | what

    def named(objects: list[dict[str, Any]]) -> list[list[str]]:
        return [[one["name"] for one in c["env"]] for _, _, spec in pods(objects) for c in containers_of(spec)]

    there = {name for names in named(render(QUICKSTART, values=given)) for name in names}
    assert of_chart <= there
    mine = [{"name": name, "value": "mine"} for name in sorted(there - of_chart)]
    for place in ("env", "trainer.pod.env", "extractor.pod.env", "server.pod.env"):
        for names in named(render(QUICKSTART, values=merge(given, with_value({}, tuple(place.split(".")), mine)))):
            assert len(set(names)) == len(names)


def containers_of(spec: dict[str, Any]) -> list[dict[str, Any]]:
    return [*spec.get("initContainers", ()), *spec["containers"]]


def test_trials_and_what_ends_them_trust_the_authorities_said(objects: list[dict[str, Any]]) -> None:
    containers = [pod(objects, "trial")[1]["containers"][0], pod(objects, "extractor")[1]["initContainers"][1]]
    for container in containers:
        assert {"name": "SSL_CERT_FILE", "value": "/etc/atelier-ca/ca-bundle.crt"} in container["env"]
        assert "/etc/atelier-ca" in {mount["mountPath"] for mount in container["volumeMounts"]}


def test_an_umbrellas_registry_is_before_images_that_name_none(objects: list[dict[str, Any]]) -> None:
    images = {c["image"].rpartition(":")[0] for _, _, spec in pods(objects) for c in spec["containers"]}
    assert images == {f"registry.example:5000/katib-nas-atelier/{one}" for one in ("trainer", "server")}
    values = merge(OUTSIDE, {"server": {"image": {"repository": "localhost/server"}}})
    image = pod(render(QUICKSTART, values=values), "server")[1]["containers"][0]["image"]
    assert image.startswith("localhost/server:")


def test_an_edited_module_is_another_search() -> None:
    def searched(text: str) -> tuple[str, str, dict[str, Any]]:
        values = {"trainer": {"network": "mynets:net", "modules": {"mynets.py": text}}}
        made = render(QUICKSTART, values=values)
        held = next(one for one in by_kind(made, "ConfigMap") if "modules" in one["metadata"]["name"])
        experiment = only(made, "Experiment")
        assert held["data"] == {"mynets.py": text}
        assert held["metadata"]["name"] in str(experiment["spec"])
        assert held["metadata"]["name"] in str(pod(made, "extractor")[1])
        assert {"name": "ATELIER_MODULES", "value": "/etc/atelier-modules"} in pod(made, "trial")[1]["containers"][0][
            "env"
        ]
        return experiment["metadata"]["name"], held["metadata"]["name"], held

    before, after = searched("def net(): ...\n"), searched("def net(): pass\n")
    assert before[0] != after[0] and before[1] != after[1]


def test_every_container_can_get_a_limit() -> None:
    limit: dict[str, Any] = {"resources": {"limits": {"cpu": 1}}}
    values = dict.fromkeys(("trainer", "extractor", "server", "inspector", "test"), limit)
    values["trainer"] = {"resources": {"requests": {"cpu": 1}, "limits": {"cpu": 1}}}
    values["inspector"] = limit | {"enabled": True}
    for component, _, spec in pods(render(QUICKSTART, values=values)):
        for container in [*spec["containers"], *spec.get("initContainers", [])]:
            assert container["resources"]["limits"]["cpu"] == 1, f"{component} {container['name']}"


def test_the_test_is_only_there_if_it_is_wanted() -> None:
    assert by_kind(render(QUICKSTART, set=["test.enabled=false"]), "Pod") == []


@pytest.mark.parametrize("helm", HELMS)
def test_what_other_tools_apply_has_no_pod_that_runs_once(helm: str) -> None:
    without_a_cluster = [api for api in API_VERSIONS if api not in BARE]
    assert by_kind(render(QUICKSTART, helm=helm, api_versions=without_a_cluster), "Pod") == []
    assert len(by_kind(render(QUICKSTART, helm=helm), "Pod")) == 1


def test_the_profile_applied_last_is_told_to_the_extractors_of_all_its_searches() -> None:
    said = [render(QUICKSTART, set=given) for given in ([], ["trainer.seed=1"])]
    told = [next(one for one in by_kind(made, "ConfigMap") if "experiment" in one["data"]) for made in said]
    assert told[0]["metadata"]["name"] == told[1]["metadata"]["name"]
    assert [one["data"]["experiment"] for one in told] == [only(o, "Experiment")["metadata"]["name"] for o in said]
    extractor = pod(said[0], "extractor")[1]
    for container in [*extractor["initContainers"], *extractor["containers"]]:
        assert {"name": "ATELIER_CURRENT_SEARCH", "value": "/etc/atelier-search/experiment"} in container["env"]
        assert "/etc/atelier-search" in [mount["mountPath"] for mount in container["volumeMounts"]]


# the server


def test_the_server_listens_on_all_addresses_of_the_families_said(objects: list[dict[str, Any]]) -> None:
    assert "--host=::" in pod(objects, "server")[1]["containers"][0]["args"]
    service = only(objects, "Service")["spec"]
    assert (service["ipFamilyPolicy"], service["ipFamilies"]) == ("PreferDualStack", ["IPv6", "IPv4"])


def test_the_server_is_told_the_path_below_which_it_is_shown() -> None:
    ways = {
        "ingress": {"enabled": True, "hosts": ["a.example"], "path": "/digits"},
        "httpRoute": {"enabled": True, "parentRefs": [{"name": "g"}], "path": "/digits/", "filters": [{"type": "X"}]},
    }
    made = render(QUICKSTART, values={"server": ways})
    assert "--root-path=/digits" in pod(made, "server")[1]["containers"][0]["args"]
    assert only(made, "HTTPRoute")["spec"]["rules"][0]["filters"] == [{"type": "X"}]


def test_a_slow_start_is_waited_for() -> None:
    container = pod(render(QUICKSTART), "server")[1]["containers"][0]
    probe = container["startupProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] >= 600


def test_an_autoscaler_goes_by_the_metrics_said() -> None:
    metric = {
        "type": "Pods",
        "pods": {"metric": {"name": "m"}, "target": {"type": "AverageValue", "averageValue": "1"}},
    }
    values = {"server": {"autoscaling": {"enabled": True, "metrics": [metric]}}}
    assert only(render(QUICKSTART, values=values), "HorizontalPodAutoscaler")["spec"]["metrics"] == [metric]
