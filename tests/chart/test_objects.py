"""What holds for every object of every profile: names, labels, security, and who may talk to whom."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.chart.rendering import CHART, HELMS, PROFILES, by_kind, only, render, with_all

pytestmark = pytest.mark.process

LONG = "a" + "b" * 52
"""As long as Helm lets a release's name be."""
BUDGETS = {"Experiment": 40, "CronJob": 52}
STANDARD = {
    "app.kubernetes.io/name",
    "app.kubernetes.io/instance",
    "app.kubernetes.io/component",
    "app.kubernetes.io/version",
}
STANDARD |= {"app.kubernetes.io/part-of", "app.kubernetes.io/managed-by", "helm.sh/chart"}
each_profile = pytest.mark.parametrize("profile", PROFILES, ids=lambda path: path.stem)
EVERYTHING = next(path for path in PROFILES if path.stem == "everything")
QUICKSTART = next(path for path in PROFILES if path.stem == "quickstart")
MODES = ["job", "hook", "cronjob", "none"]


def pods(objects: list[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Component, metadata and spec of every pod that the objects make."""
    for one in objects:
        part, kind = one.get("spec", {}), one["kind"]
        if kind == "Experiment":
            part = part["trialTemplate"]["trialSpec"]["spec"]["template"]
        elif kind == "CronJob":
            part = part["jobTemplate"]["spec"]["template"]
        elif kind in ("Deployment", "Job"):
            part = part["template"]
        elif kind == "Pod":
            part = one
        else:
            continue
        yield part["metadata"]["labels"]["app.kubernetes.io/component"], part["metadata"], part["spec"]


LEFT_OUT = {
    # of other sources
    "trainer.data": {
        "files",
        "target",
        "weight",
        "labels",
        "limit",
        "image",
        "onUnreadable",
        "columns",
        "table",
        "split",
    },
    "trainer": {"modules", "loss", "metrics", "threshold"},  # of another network, and of two classes
    "trainer.finish": {"average", "retrain", "int8"},  # it has folds
    "experiment": {"objectives"},  # one machine's
    "experiment.experience": {"stores"},
    "experiment.stopWhen": {"expectedGainBelow"},
    "trainer.image": {"digest"},  # it has a tag
    "server.image": {"tag"},  # it has a digest
    "trainer.pod.serviceAccount": {"name"},  # the chart's, with annotations
    "extractor.pod.serviceAccount": {"name"},
    "server.pod.serviceAccount": {"name"},
    "board.pod.serviceAccount": {"name"},
    "inspector.pod.serviceAccount": {"annotations"},  # an existing one
    "storage": {"existingClaim"},  # the chart makes one
    "promotion": {"version"},  # refused where the mode of the extractor is none
    "monitoring.prometheusRule": {"disabledAlerts"},
    "": {"fullnameOverride"},
}
"""Of the values that are empty by default, those that the profile of all values leaves so."""


def unused(defaults: dict[str, Any], given: Any, at: str = "") -> Iterator[tuple[str, str]]:
    """The values that are empty by default and not given: the path of the block, and the key."""
    given = given if isinstance(given, dict) else {}
    for key, value in defaults.items():
        if isinstance(value, dict) and value:
            yield from unused(value, given.get(key), f"{at}.{key}".lstrip("."))
        elif value in (None, "", [], {}) and given.get(key) in (None, "", [], {}):
            yield at, key


def test_one_profile_uses_every_value() -> None:
    defaults = yaml.safe_load((CHART / "values.yaml").read_text())
    found = set(unused(defaults, yaml.safe_load(EVERYTHING.read_text())))
    assert found == {(block, key) for block, keys in LEFT_OUT.items() for key in keys}


def containers(spec: dict[str, Any]) -> list[dict[str, Any]]:
    return [*spec.get("initContainers", []), *spec["containers"]]


# names


@pytest.mark.parametrize("release", [LONG, "a", "my-atelier"])
@pytest.mark.parametrize("mode", MODES)
def test_names_fit_their_kinds_however_long_the_releases_is(release: str, mode: str) -> None:
    for one in render(EVERYTHING, release=release, set=[f"extractor.mode={mode}", "experiment.name="]):
        name = one["metadata"]["name"]
        assert len(name) <= BUDGETS.get(one["kind"], 63), f"{one['kind']} {name}"
        assert re.fullmatch(r"[a-z]([-a-z0-9]*[a-z0-9])?", name), f"{one['kind']} {name}"


def test_two_releases_share_no_name() -> None:
    first, second = (
        {(o["kind"], o["metadata"]["name"]) for o in render(EVERYTHING, release=name)} for name in ("one", "two")
    )
    assert not first & second


def test_long_release_names_with_equal_beginnings_share_no_name() -> None:
    names = ("recommendations-homepage-ranking-search-production", "recommendations-homepage-ranking-search-staging")
    first, second = ({(o["kind"], o["metadata"]["name"]) for o in render(QUICKSTART, release=name)} for name in names)
    assert not first & second


@pytest.mark.parametrize("release", ["digits", "a" * 37, "atelier-" + "a" * 37])
def test_a_name_that_fits_is_as_it_was(release: str) -> None:
    claim = only(render(QUICKSTART, release=release), "PersistentVolumeClaim")["metadata"]["name"]
    assert claim == f"{release}-store" if "atelier" in release else f"{release}-atelier-store"


@pytest.mark.parametrize("helm", HELMS)
def test_aliases_of_an_umbrella_share_no_name_and_null_reaches_them(helm: str, tmp_path: Path) -> None:
    charts = tmp_path / "charts"
    charts.mkdir()
    (charts / CHART.name).symlink_to(CHART)
    aliases = ["digits", "Two_b"]
    version = yaml.safe_load((CHART / "Chart.yaml").read_text())["version"]
    needs = [{"name": CHART.name, "version": version, "alias": alias} for alias in aliases]
    meta = {"apiVersion": "v2", "name": "umbrella", "version": "1.0.0", "dependencies": needs}
    (tmp_path / "Chart.yaml").write_text(yaml.safe_dump(meta))
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "NOTES.txt").write_text("none")
    profile = yaml.safe_load(QUICKSTART.read_text()) | {"extractor": {"timeoutSeconds": None}}
    profile["server"] = profile.get("server", {}) | {"replicas": None, "service": None}
    objects = render(chart=tmp_path, values=dict.fromkeys(aliases, profile), helm=helm, is_cached=False)
    names = [(o["kind"], o["metadata"]["name"]) for o in objects]
    assert len(names) == len(set(names))
    assert ("PersistentVolumeClaim", "digits-two-b-store") in names
    assert [one["spec"]["replicas"] for one in by_kind(objects, "Deployment")] == [1, 1]


def test_an_own_name_is_the_beginning_of_every_name() -> None:
    named = render(EVERYTHING, set=["fullnameOverride=mine"])
    searches = {one["metadata"]["name"] for one in by_kind(named, "Experiment")}
    assert all(o["metadata"]["name"].startswith("mine") or o["metadata"]["name"] in searches for o in named)


def test_every_pod_uses_the_claim_that_is_there_already() -> None:
    objects = render(EVERYTHING, set=["storage.existingClaim=shared"])
    assert by_kind(objects, "PersistentVolumeClaim") == []
    claims = {
        v["persistentVolumeClaim"]["claimName"]
        for _, _, spec in pods(objects)
        for v in spec["volumes"]
        if v["name"] == "store"
    }
    assert claims == {"shared"}


# labels


@each_profile
def test_every_object_but_the_experiment_has_the_standard_labels(profile: Path) -> None:
    for one in render(profile):
        if one["kind"] != "Experiment":
            assert set(one["metadata"]["labels"]) >= STANDARD, one["metadata"]["name"]


@pytest.mark.parametrize("mode", MODES)
def test_the_service_selects_servers_and_no_other_pod(mode: str) -> None:
    objects = render(EVERYTHING, set=[f"extractor.mode={mode}"])
    selector = only(objects, "Service", "-server")["spec"]["selector"].items()
    leaked = only(objects, "Experiment")["metadata"]["labels"]
    selected = [
        component for component, metadata, _ in pods(objects) if selector <= (metadata["labels"] | leaked).items()
    ]
    assert selected == ["server"]
    assert not selector <= leaked.items()


@each_profile
def test_pods_carry_no_label_that_a_new_version_changes(profile: Path) -> None:
    """It would start servers anew, and change Jobs that cannot be changed."""
    for component, metadata, _ in pods(render(profile)):
        if component not in ("test",):
            assert not {"helm.sh/chart", "app.kubernetes.io/version"} & set(metadata["labels"]), component


# security


@pytest.mark.parametrize("mode", MODES)
@each_profile
def test_pods_are_nobody_and_may_nothing(profile: Path, mode: str) -> None:
    """What Kubernetes calls the restricted profile, and read-only besides."""
    for _, _, spec in pods(render(profile, **with_all(mode))):
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["runAsUser"] == 10001
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert spec["automountServiceAccountToken"] is False
        assert not spec.get("hostNetwork") and not spec.get("hostPID")
        for container in containers(spec):
            security = container["securityContext"]
            assert security["capabilities"] == {"drop": ["ALL"]}
            assert (security["allowPrivilegeEscalation"], security["readOnlyRootFilesystem"]) == (False, True)
            assert security["runAsNonRoot"] is True
            assert container["resources"]["requests"] and container["resources"]["limits"]
            assert "/tmp" in {mount["mountPath"] for mount in container["volumeMounts"]}


@each_profile
def test_only_those_who_write_may_write_the_store(profile: Path) -> None:
    for component, _, spec in pods(render(profile, **with_all("job"))):
        for container in containers(spec):
            (mount,) = [mount for mount in container["volumeMounts"] if mount["name"] == "store"]
            assert mount.get("readOnly", False) is (component in ("board", "server", "inspector", "test")), component


def test_ids_can_be_left_to_the_cluster() -> None:
    ids = {"security": {"runAsUser": None, "runAsGroup": None, "fsGroup": None}}
    for _, _, spec in pods(render(QUICKSTART, values=ids)):
        assert not {"runAsUser", "runAsGroup", "fsGroup"} & set(spec["securityContext"])
        assert spec["securityContext"]["runAsNonRoot"] is True


@pytest.mark.parametrize("mode", MODES)
def test_the_extractor_alone_may_watch_a_search_and_start_it_anew(mode: str) -> None:
    objects = render(QUICKSTART, set=[f"extractor.mode={mode}"])
    katib = {"apiGroups": ["kubeflow.org"], "resources": ["experiments"]}
    names = [one["metadata"]["name"] for one in by_kind(objects, "Experiment")]
    assert [r["rules"] for r in by_kind(objects, "Role")] == [
        [
            {**katib, "resources": ["experiments", "trials"], "verbs": ["get", "list", "watch"]},
            {**katib, "resourceNames": names, "verbs": ["delete"]},
            {**katib, "resources": ["suggestions"], "resourceNames": names, "verbs": ["get"]},
            {**katib, "verbs": ["create"]},
            {"apiGroups": [""], "resources": ["events"], "verbs": ["list"]},
        ]
    ] * (mode != "none")
    assert not by_kind(objects, "ClusterRole") and not by_kind(objects, "ClusterRoleBinding")
    for binding in by_kind(objects, "RoleBinding"):
        accounts = [spec.get("serviceAccountName") for component, _, spec in pods(objects) if component == "extractor"]
        assert [subject["name"] for subject in binding["subjects"]] == accounts
    assert all(account["automountServiceAccountToken"] is False for account in by_kind(objects, "ServiceAccount"))


def test_of_the_extractors_containers_the_one_that_may_run_a_users_network_has_no_token() -> None:
    [spec] = [spec for component, _, spec in pods(render(EVERYTHING)) if component == "extractor"]
    [access] = [volume for volume in spec["volumes"] if "projected" in volume]
    of = {
        container["name"]: {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
        for container in [*spec["initContainers"], *spec["containers"]]
    }
    folder = "/var/run/secrets/kubernetes.io/serviceaccount"
    assert {name: mounts.get(access["name"]) for name, mounts in of.items()} == {
        "wait": folder,
        "finish": None,
        "promote": folder,
    }


def test_an_extractor_that_is_evicted_is_made_again_however_often() -> None:
    [job] = [one for one in by_kind(render(QUICKSTART), "Job") if "extract" in one["metadata"]["name"]]
    [rule] = job["spec"]["podFailurePolicy"]["rules"]
    assert rule == {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}


# network


def test_every_pod_of_ours_has_a_policy_for_both_directions() -> None:
    objects = render(EVERYTHING)
    policies = by_kind(objects, "NetworkPolicy")
    assert all(policy["spec"]["policyTypes"] == ["Ingress", "Egress"] for policy in policies)
    for component, metadata, _ in pods(objects):
        matching = [p for p in policies if matches(p["spec"]["podSelector"], metadata["labels"])]
        assert len(matching) == 1, component


def test_katibs_suggestion_pods_have_a_policy_by_the_label_that_the_experiment_leaves_on_them() -> None:
    objects = render(EVERYTHING)
    labels = only(objects, "Experiment")["metadata"]["labels"] | {"katib.kubeflow.org/suggestion": "digits"}
    (policy,) = [p for p in by_kind(objects, "NetworkPolicy") if matches(p["spec"]["podSelector"], labels)]
    assert [rule["ports"] for rule in policy["spec"]["ingress"]] == [[{"port": 6789}], [{"port": 6788}]]


def test_trials_get_out_only_where_the_profiles_files_are() -> None:
    def ports(profile: str) -> set[int]:
        chosen = next(path for path in PROFILES if path.stem == profile)
        policy = only(render(chosen, set=["networkPolicy.enabled=true"]), "NetworkPolicy", "-trial")
        return {port["port"] for rule in policy["spec"]["egress"] for port in rule["ports"]}

    assert ports("quickstart") == {53, 6788, 6789}
    assert ports("fashion-mnist") == {53, 6788, 6789, 443}


def matches(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    exists = [one["key"] for one in selector.get("matchExpressions", []) if one["operator"] == "Exists"]
    return selector.get("matchLabels", {}).items() <= labels.items() and all(key in labels for key in exists)


# placement


@pytest.mark.parametrize("who", ["trainer", "server", "extractor", "board", "inspector"])
def test_placement_reaches_the_pod_it_is_said_of(who: str) -> None:
    component = {"trainer": "trial"}.get(who, who)
    said = {
        "nodeSelector": {"disk": "ssd"},
        "tolerations": [{"key": "search", "operator": "Exists"}],
        "affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey": "zone"}]}},
    }
    objects = render(
        QUICKSTART,
        values={who: {"pod": said}},
        set=["board.enabled=true", "inspector.enabled=true", "imagePullSecrets[0].name=registry"],
    )
    for name, _, spec in pods(objects):
        placed = {key: spec[key] for key in said if key in spec}
        follows = {"test": "server", "extractor": "trainer"}.get(name) == who
        assert placed == (said if name == component or follows else {}), name
        assert spec["imagePullSecrets"] == [{"name": "registry"}]


def test_environment_and_volumes_reach_the_trial() -> None:
    ((_, _, spec),) = [found for found in pods(render(EVERYTHING)) if found[0] == "trial"]
    (container,) = spec["containers"]
    assert {"name": "HTTPS_PROXY", "value": "http://proxy.example.com:3128"} in container["env"]
    assert "data" in {volume["name"] for volume in spec["volumes"]}
    assert "/data" in {mount["mountPath"] for mount in container["volumeMounts"]}
    assert container["image"] == "registry.example.com/trainer:v1"


def test_a_digest_stands_for_a_tag() -> None:
    ((_, _, spec),) = [found for found in pods(render(EVERYTHING)) if found[0] == "server"]
    assert re.fullmatch(r"registry\.example\.com/team/server@sha256:[0-9a-f]{64}", spec["containers"][0]["image"])


def test_images_without_a_tag_are_those_of_the_charts_application() -> None:
    version = re.search(r'(?m)^appVersion: "(.+)"$', (CHART / "Chart.yaml").read_text())
    assert version
    images = {c["image"] for _, _, spec in pods(render(QUICKSTART)) for c in containers(spec)}
    assert images == {f"katib-nas-atelier/{name}:{version[1]}" for name in ("trainer", "server")}


# the extractor trains too


def extractor(profile: Path, **arguments: Any) -> dict[str, Any]:
    return next(spec for component, _, spec in pods(render(profile, **arguments)) if component == "extractor")


@each_profile
def test_a_waiting_extractor_holds_no_room_that_trials_need(profile: Path) -> None:
    """A pod requests what its hungriest init container does, from its start."""
    spec = extractor(profile)
    (finish,) = [one for one in spec["initContainers"] if one["name"] == "finish"]
    assert finish["resources"]["requests"] == spec["containers"][0]["resources"]["requests"]
    trial = next(spec for component, _, spec in pods(render(profile)) if component == "trial")
    assert finish["resources"]["limits"] == trial["containers"][0]["resources"]["limits"], (
        "as many threads, as much memory"
    )


def test_the_extractor_trains_where_trials_run_unless_it_is_told_otherwise() -> None:
    gpu = next(path for path in PROFILES if path.stem == "gpu")
    assert extractor(gpu)["runtimeClassName"] == "nvidia"
    assert [one["key"] for one in extractor(gpu)["tolerations"]] == ["nvidia.com/gpu"]
    assert extractor(gpu, set=["extractor.pod.nodeSelector.disk=ssd"])["nodeSelector"] == {"disk": "ssd"}
    idle = [
        "trainer.tailEpochs=0",
        "experiment.earlyStopping.algorithmName=none",
        "experiment.earlyStopping.algorithmSettings=null",
    ]
    assert "runtimeClassName" not in extractor(gpu, set=idle)
