"""Upgrades: what another search, other counts or a new version change in an existing release."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.chart.rendering import CHART, PROFILES, by_kind, only, render

pytestmark = pytest.mark.process

QUICKSTART = next(path for path in PROFILES if path.stem == "quickstart")
OTHER_SPACE = ["experiment.parameters[0].feasibleSpace.list[0]=8"]
MORE_TRIALS = ["experiment.maxTrialCount=40"]


def objects(**arguments: Any) -> dict[tuple[str, str], dict[str, Any]]:
    return {(one["kind"], one["metadata"]["name"]): one for one in render(QUICKSTART, is_upgrade=True, **arguments)}


def changed(before: dict[Any, Any], after: dict[Any, Any]) -> set[str]:
    """Kinds of objects that are there before and after under one name and differ."""
    return {kind for kind, name in before.keys() & after.keys() if before[kind, name] != after[kind, name]}


def test_an_upgrade_renders_what_an_install_renders() -> None:
    assert list(objects().values()) == render(QUICKSTART)


def test_another_space_is_another_experiment_and_job_and_leaves_the_rest_alone() -> None:
    before, after = objects(), objects(set=OTHER_SPACE)
    assert {kind for kind, _ in before.keys() ^ after.keys()} == {"Experiment", "ConfigMap", "Job"}
    # which search is the present one, and which Experiment the extractor may start anew
    assert changed(before, after) == {"ConfigMap", "Role"}


def test_more_trials_are_the_same_experiment_and_another_job_to_wait_for_them() -> None:
    before, after = objects(), objects(set=MORE_TRIALS)
    assert {kind for kind, _ in before.keys() ^ after.keys()} == {"Job"}
    assert changed(before, after) == {"Experiment", "ConfigMap"}
    one, other = (only(list(found.values()), "Experiment") for found in (before, after))
    differing = {key for key in one["spec"] if one["spec"][key] != other["spec"][key]}
    assert differing == {"maxTrialCount"}


def test_a_new_version_with_the_same_images_changes_labels_only(tmp_path: Path) -> None:
    chart = shutil.copytree(CHART, tmp_path / CHART.name)
    read = (chart / "Chart.yaml").read_text()
    (chart / "Chart.yaml").write_text(re.sub(r"(?m)^version: .*", "version: 9.9.9", read))
    before, after = objects(), objects(chart=chart)
    assert before.keys() == after.keys()
    for key, one in before.items():
        assert {k: v for k, v in one.items() if k != "metadata"} == {
            k: v for k, v in after[key].items() if k != "metadata"
        }


def test_a_job_that_changes_is_another_job() -> None:
    """A Job's pod cannot be changed: the upgrade would be refused."""
    before = objects()
    for change in (
        "extractor.timeoutSeconds=60",
        "server.image.tag=v2",
        "extractor.resources.limits.memory=2Gi",
        "server.model=other",
    ):
        after = objects(set=[change])
        assert "Job" not in changed(before, after), change
        assert {kind for kind, _ in before.keys() ^ after.keys()} == {"Job"}, change


def test_the_inspectors_job_that_changes_is_another_job() -> None:
    before, after = (objects(set=["inspector.enabled=true", f"inspector.seconds={seconds}"]) for seconds in (60, 120))
    assert {kind for kind, _ in before.keys() ^ after.keys()} == {"Job"}
    assert changed(before, after) == set()


def test_selectors_never_change() -> None:
    for change in (OTHER_SPACE, MORE_TRIALS, ["server.replicas=3"], ["fullnameOverride=other"]):
        selectors = [
            [
                one["spec"]["selector"]
                for one in render(QUICKSTART, set=given)
                if one["kind"] in ("Service", "Deployment")
            ]
            for given in ([], change)
        ]
        assert selectors[0] == selectors[1]


def test_the_claim_is_kept_and_has_a_class_only_if_one_is_said() -> None:
    claim = only(render(QUICKSTART), "PersistentVolumeClaim")
    assert claim["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
    assert not any("hook" in key for key in claim["metadata"]["annotations"])
    assert "storageClassName" not in claim["spec"]
    for said in ("", "fast"):
        given = only(render(QUICKSTART, values={"storage": {"storageClassName": said}}), "PersistentVolumeClaim")
        assert given["spec"]["storageClassName"] == said


# the extractor's modes


def extractor(mode: str) -> list[dict[str, Any]]:
    found = render(QUICKSTART, set=[f"extractor.mode={mode}"])
    return [one for one in found if one["kind"] in ("Job", "CronJob")]


def test_job_is_no_hook_and_is_named_by_its_search() -> None:
    (job,) = extractor("job")
    experiment = only(render(QUICKSTART), "Experiment")["metadata"]["name"]
    assert job["metadata"]["name"].startswith(experiment)
    assert not any("hook" in key for key in job["metadata"].get("annotations", {}))


def test_hook_follows_installs_upgrades_and_rollbacks_and_stays_for_its_log() -> None:
    (job,) = extractor("hook")
    annotations = job["metadata"]["annotations"]
    assert annotations["helm.sh/hook"] == "post-install,post-upgrade,post-rollback"
    assert annotations["helm.sh/hook-delete-policy"] == "before-hook-creation"
    assert "ttlSecondsAfterFinished" not in job["spec"], "Helm 4 waits for a Job that is gone"
    assert job["spec"]["activeDeadlineSeconds"] == 86400


def test_cronjob_never_runs_twice_at_once() -> None:
    (job,) = extractor("cronjob")
    assert (job["kind"], job["spec"]["concurrencyPolicy"], job["spec"]["schedule"]) == (
        "CronJob",
        "Forbid",
        "*/10 * * * *",
    )


def test_none_leaves_promotion_to_people() -> None:
    found = render(QUICKSTART, set=["extractor.mode=none"])
    assert not any("extract" in one["metadata"]["name"] for one in found)


@pytest.mark.parametrize("mode", ["job", "hook", "cronjob"])
def test_every_mode_waits_finishes_and_promotes_the_release_search(mode: str) -> None:
    (one,) = extractor(mode)
    spec = one["spec"]["jobTemplate"]["spec"] if mode == "cronjob" else one["spec"]
    pod = spec["template"]["spec"]
    assert [c["name"] for c in pod["initContainers"]] == ["wait", "finish"]
    assert [c["name"] for c in pod["containers"]] == ["promote"]
    experiment = only(render(QUICKSTART), "Experiment")["metadata"]["name"]
    for container in (pod["initContainers"][0], pod["containers"][0]):
        assert {f"--experiment={experiment}", "--model=digits", "--namespace=atelier", "--store=/store"} <= set(
            container["args"]
        )
    (timeout,) = [a for a in pod["initContainers"][0]["args"] if a.startswith("--timeout=")]
    assert int(timeout.removeprefix("--timeout=")) < spec["activeDeadlineSeconds"]


@pytest.mark.parametrize("policy", ["neverWorse", "always", "candidate", "none"])
def test_the_extractor_is_told_the_policy(policy: str) -> None:
    (job,) = by_kind(render(QUICKSTART, set=[f"promotion.policy={policy}"]), "Job")
    (promote,) = job["spec"]["template"]["spec"]["containers"]
    assert f"--policy={policy}" in promote["args"]
    assert not any(argument.startswith("--held") for argument in promote["args"])


@pytest.mark.parametrize("mode", ["job", "hook", "cronjob"])
def test_a_version_that_is_named_is_served_before_the_search_is_waited_for(mode: str) -> None:
    arguments = {"set": [f"extractor.mode={mode}"]}
    with_version = {"set": [*arguments["set"], "promotion.version=1e23c7bda11f"]}
    found = by_kind(render(QUICKSTART, **with_version), "CronJob" if mode == "cronjob" else "Job")[0]
    spec = found["spec"]["jobTemplate"]["spec"] if mode == "cronjob" else found["spec"]
    pod = spec["template"]["spec"]
    assert [c["name"] for c in pod["initContainers"]] == ["choose", "wait", "finish"]
    choose, promote = pod["initContainers"][0], pod["containers"][0]
    assert choose["command"] == promote["command"]
    assert not any(argument.startswith("--experiment") for argument in choose["args"])
    assert {"--version=1e23c7bda11f", "--why=promotion.version of release digits"} <= set(choose["args"])
    assert {"name": "ATELIER_CURRENT_SEARCH", "value": "/etc/atelier-search/experiment"} in choose["env"]
    assert "/etc/atelier-search" in [mount["mountPath"] for mount in choose["volumeMounts"]]
    assert "--held=1e23c7bda11f" in promote["args"]
    assert mode != "job" or found["metadata"]["name"] not in {
        job["metadata"]["name"] for job in by_kind(render(QUICKSTART, **arguments), "Job")
    }


def test_what_is_promoted_does_not_make_another_search() -> None:
    names = {
        only(render(QUICKSTART, set=given), "Experiment")["metadata"]["name"]
        for given in ([], ["promotion.policy=always"], ["promotion.version=1e23c7bda11f"])
    }
    assert len(names) == 1


@pytest.mark.parametrize(
    ("trainer", "rule", "trains"),
    [
        ({"tailEpochs": 0}, "none", False),
        ({"tailEpochs": 0}, "halving", True),
        ({"tailEpochs": 2}, "none", True),
        ({"tailEpochs": 0, "finish": {"average": 2}}, "none", True),
        ({"tailEpochs": 0, "finish": {"retrain": "always"}}, "none", True),
        ({"tailEpochs": 0, "finish": {"int8": 0}}, "none", True),
        ({"tailEpochs": 0, "finish": {"mirror": True}}, "none", True),
        ({"tailEpochs": 0, "finish": {"mirror": False}}, "none", False),
    ],
)
def test_a_trainer_is_pulled_only_where_something_may_be_left_to_train(
    trainer: dict[str, Any], rule: str, trains: bool
) -> None:
    stopping = {"algorithmName": rule, "algorithmSettings": []}
    found = render(QUICKSTART, values={"trainer": trainer, "experiment": {"earlyStopping": stopping}})
    (job,) = by_kind(found, "Job")
    pod = job["spec"]["template"]["spec"]
    assert [c["name"] for c in pod["initContainers"]] == ["wait", "finish"][: 1 + trains]
    assert ("spec" in {v["name"] for v in pod["volumes"]}) == trains


# the server


def test_a_server_is_ready_without_a_model() -> None:
    """helm --wait, ct and Flux wait for it; the model comes after."""
    deployment = only(render(QUICKSTART), "Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    paths = {
        probe: container[probe]["httpGet"]["path"] for probe in ("startupProbe", "readinessProbe", "livenessProbe")
    }
    assert paths == {
        "startupProbe": "/v2/health/live",
        "readinessProbe": "/v2/health/ready",
        "livenessProbe": "/v2/health/live",
    }
    assert deployment["spec"]["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}


def test_with_an_autoscaler_nobody_else_says_how_many_servers_there_are() -> None:
    scaled = render(QUICKSTART, set=["server.autoscaling.enabled=true"])
    assert "replicas" not in only(scaled, "Deployment")["spec"]
    assert (
        only(scaled, "HorizontalPodAutoscaler")["spec"]["scaleTargetRef"]["name"]
        == only(scaled, "Deployment")["metadata"]["name"]
    )
    assert only(render(QUICKSTART, set=["server.replicas=3"]), "Deployment")["spec"]["replicas"] == 3


def test_a_pod_has_time_for_its_grace() -> None:
    pod = only(render(QUICKSTART, set=["server.graceSeconds=100"]), "Deployment")["spec"]["template"]["spec"]
    assert "--grace=100" in pod["containers"][0]["args"]
    assert pod["terminationGracePeriodSeconds"] > 100 + 5


def test_metrics_have_a_port_of_their_own() -> None:
    found = render(QUICKSTART)
    (container,) = only(found, "Deployment")["spec"]["template"]["spec"]["containers"]
    assert {p["name"]: p["containerPort"] for p in container["ports"]} == {"http": 8000, "metrics": 9090}
    assert {p["name"]: p["targetPort"] for p in only(found, "Service")["spec"]["ports"]} == {
        "http": "http",
        "metrics": "metrics",
    }
