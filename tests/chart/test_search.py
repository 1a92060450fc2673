"""A search on a cluster has the spec, parameters and keys of one machine, and an Experiment that needs no defaults."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from atelier_cli.profile import load
from atelier_store.spec import FAILED_TRIALS, PictureShape, Spec
from atelier_trainer.__main__ import parser, request_of
from atelier_trial.default_space import default_space

from tests.chart.rendering import BARE, PROFILES, notes, only, render
from tests.chart.schemas import violations

pytestmark = pytest.mark.process

KEPT = {
    "helm.sh/resource-policy": "keep",
    "argocd.argoproj.io/sync-options": "Prune=false",
    "argocd.argoproj.io/compare-options": "IgnoreExtraneous",
}
QUICKSTART = next(path for path in PROFILES if path.stem == "quickstart")
each_profile = pytest.mark.parametrize("profile", PROFILES, ids=lambda path: path.stem)


def search(profile: Path, **arguments: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Experiment and its ConfigMap."""
    objects = render(profile, **arguments)
    experiment = only(objects, "Experiment")
    return experiment, only(objects, "ConfigMap", experiment["metadata"]["name"])


@each_profile
def test_trials_read_the_spec_that_the_command_makes_of_the_profile(profile: Path) -> None:
    experiment, config = search(profile)
    on_cluster = Spec.model_validate_json(config["data"]["spec.json"])
    assert on_cluster.experiment_name == experiment["metadata"]["name"]
    assert on_cluster.model_copy(update={"name": ""}) == load(profile, laptop=False).spec
    assert on_cluster.search_digest == load(profile, laptop=False).spec.search_digest


def test_rows_without_a_list_are_searched_in_the_same_space_by_both_engines(tmp_path: Path) -> None:
    profile = tmp_path / "people.yaml"
    profile.write_text("""
experiment: {name: people}
trainer: {data: {source: table, target: survived, files: {train: {path: /data/people.csv}}}}
""")
    experiment, config = search(profile)
    on_cluster = Spec.model_validate_json(config["data"]["spec.json"])
    assert on_cluster.model_copy(update={"name": ""}) == load(profile, laptop=False).spec
    assert [one["name"] for one in experiment["spec"]["parameters"]] == [one["name"] for one in default_space("rows")]


def test_class_weights_are_in_the_spec_of_both_engines_and_make_it_another_search() -> None:
    plain, (experiment, config) = search(QUICKSTART)[0], search(QUICKSTART, set=["trainer.classWeights=balanced"])
    of = Spec.model_validate_json(config["data"]["spec.json"])
    assert of.model_copy(update={"name": ""}) == load(QUICKSTART, ["trainer.classWeights=balanced"], laptop=False).spec
    assert of.trainer.class_weights == "balanced"
    set_ = ["trainer.classWeights.7=2.5"]
    of_one = Spec.model_validate_json(search(QUICKSTART, set=set_)[1]["data"]["spec.json"])
    assert of_one.model_copy(update={"name": ""}) == load(QUICKSTART, set_, laptop=False).spec
    assert of_one.trainer.class_weights == {"7": 2.5}
    assert experiment["metadata"]["name"] != plain["metadata"]["name"]
    assert of.search_digest != load(QUICKSTART, laptop=False).spec.search_digest


def test_a_winner_in_int8_that_may_lose_nothing_is_asked_for_on_both_engines() -> None:
    set_ = ["trainer.finish.int8=0"]
    of = Spec.model_validate_json(search(QUICKSTART, set=set_)[1]["data"]["spec.json"])
    assert of.model_copy(update={"name": ""}) == load(QUICKSTART, set_, laptop=False).spec
    assert of.trainer.finish.int8 == 0


@pytest.mark.parametrize("asked", [True, False])
def test_a_mirrored_winner_is_in_the_spec_of_both_engines_if_it_is_asked_for(asked: bool) -> None:
    set_ = [f"trainer.finish.mirror={str(asked).lower()}"]
    text = search(QUICKSTART, set=set_)[1]["data"]["spec.json"]
    assert Spec.model_validate_json(text).model_copy(update={"name": ""}) == load(QUICKSTART, set_, laptop=False).spec
    assert json.loads(text)["trainer"].get("finish") == ({"mirror": True} if asked else None)


def test_which_weights_are_kept_is_in_the_spec_of_both_engines_and_makes_it_another_search() -> None:
    set_ = ["trainer.keepWeights=best", "trainer.finish.retrain=always"]
    experiment, config = search(QUICKSTART, set=set_)
    of = Spec.model_validate_json(config["data"]["spec.json"])
    assert of.model_copy(update={"name": ""}) == load(QUICKSTART, set_, laptop=False).spec
    assert (of.trainer.keep_weights, of.trainer.finish.retrain) == ("best", "always")
    assert experiment["metadata"]["name"] != search(QUICKSTART)[0]["metadata"]["name"]


@pytest.mark.parametrize("rule", ["recall>=0.9", "0.25"])
def test_a_threshold_is_in_the_spec_of_both_engines(rule: str) -> None:
    config = search(QUICKSTART, set=[f"trainer.threshold={rule}"])[1]
    of = Spec.model_validate_json(config["data"]["spec.json"])
    assert of.model_copy(update={"name": ""}) == load(QUICKSTART, [f"trainer.threshold={rule}"], laptop=False).spec
    assert of.trainer.threshold == (0.25 if rule == "0.25" else rule)


@each_profile
def test_katib_searches_the_space_of_the_spec(profile: Path) -> None:
    experiment, config = search(profile)
    spec, read = experiment["spec"], Spec.model_validate_json(config["data"]["spec.json"]).experiment
    asked = [json.loads(p.model_dump_json(by_alias=True, exclude_none=True)) for p in read.parameters]
    for parameter in asked:
        parameter["feasibleSpace"].setdefault("distribution", "uniform")
    assert spec["parameters"] == asked
    assert spec["algorithm"]["algorithmName"] == read.algorithm.algorithm_name
    assert spec["maxTrialCount"] == read.max_trial_count
    assert 1 <= spec["parallelTrialCount"] <= spec["maxTrialCount"]


@each_profile
def test_every_metric_is_taken_from_the_last_epoch(profile: Path) -> None:
    objective = search(profile)[0]["spec"]["objective"]
    names = [objective["objectiveMetricName"], *objective.get("additionalMetricNames", [])]
    assert objective["metricStrategies"] == [{"name": name, "value": "latest"} for name in names]


@each_profile
def test_halving_is_the_trials_own_affair(profile: Path) -> None:
    assert "earlyStopping" not in search(profile)[0]["spec"]


def test_medianstop_is_katibs() -> None:
    settings = [{"name": "min_trials_required", "value": 3}, {"name": "start_step", "value": 4}]
    rule = {"algorithmName": "medianstop", "algorithmSettings": settings}
    experiment, config = search(QUICKSTART, values={"experiment": {"earlyStopping": rule}})
    as_text = [setting | {"value": str(setting["value"])} for setting in settings]
    assert experiment["spec"]["earlyStopping"] == rule | {"algorithmSettings": as_text}
    assert (
        Spec.model_validate_json(config["data"]["spec.json"]).experiment.early_stopping.algorithm_name == "medianstop"
    )
    assert violations(experiment) == []


@each_profile
def test_every_parameter_and_the_name_reach_the_trial_program(profile: Path, tmp_path: Path) -> None:
    """The arguments as Katib and the shell make them are ones that the trial program takes."""
    experiment, config = search(profile)
    template = experiment["spec"]["trialTemplate"]
    (tmp_path / "spec.json").write_text(config["data"]["spec.json"])
    values = {
        p["name"]: p["feasibleSpace"].get("list", [p["feasibleSpace"].get("max")])[-1]
        for p in experiment["spec"]["parameters"]
    }
    values |= {"trialName": "digits-abc"}
    assert {p["name"]: p["reference"] for p in template["trialParameters"]} == {n: n for n in values} | {
        "trialName": "${trialSpec.Name}"
    }
    (container,) = template["trialSpec"]["spec"]["template"]["spec"]["containers"]
    text = json.dumps(container["args"])
    for name, value in values.items():
        assert text.count(f"${{trialParameters.{name}}}") == 1
        text = text.replace(f"${{trialParameters.{name}}}", value)
    through_shell = shlex.split(" ".join(json.loads(text)))
    assert through_shell == json.loads(text), "a shell leaves every argument alone"
    arguments = [one.replace("/etc/atelier", str(tmp_path)) for one in through_shell]
    request = request_of(parser().parse_args(arguments))
    assert request.trial == "digits-abc"
    assert request.params == {name: value for name, value in values.items() if name != "trialName"}
    assert container["command"] == ["python", "-m", "atelier_trainer"]


@each_profile
def test_a_trial_fails_alone_and_leaves_nothing_running(profile: Path) -> None:
    template = search(profile)[0]["spec"]["trialTemplate"]
    job = template["trialSpec"]["spec"]
    pod = job["template"]["spec"]
    assert (job["backoffLimit"], pod["restartPolicy"]) == (0, "Never")
    assert job["activeDeadlineSeconds"] > 0
    assert job["template"]["metadata"]["annotations"]["sidecar.istio.io/inject"] == "false"
    assert template["primaryContainerName"] == pod["containers"][0]["name"]
    assert pod["terminationGracePeriodSeconds"] > 30, "a trial has 30 seconds to leave its checkpoint"


@each_profile
def test_experiment_and_config_outlive_the_release(profile: Path) -> None:
    for one in search(profile):
        assert KEPT.items() <= one["metadata"]["annotations"].items()
        assert one["metadata"]["labels"]["atelier/release"] == "digits"


@each_profile
def test_labels_of_the_experiment_are_private_and_stable(profile: Path) -> None:
    """They are copied onto pods of trials and suggestions: no label that a Service selects or a new version changes."""
    assert search(profile)[0]["metadata"]["labels"] == {"atelier/release": "digits"}


@pytest.mark.parametrize("most", [FAILED_TRIALS + 1, FAILED_TRIALS - 1, 1])
def test_a_count_of_failed_trials_that_nobody_wrote_fits_the_trials_on_both_engines(most: int) -> None:
    asked = [f"experiment.maxTrialCount={most}"]
    experiment, config = search(QUICKSTART, set=asked)
    counted = Spec.model_validate_json(config["data"]["spec.json"]).experiment.max_failed_trial_count
    here = load(QUICKSTART, asked).spec.experiment.max_failed_trial_count
    assert experiment["spec"]["maxFailedTrialCount"] == counted == here == min(most, FAILED_TRIALS)


@pytest.mark.parametrize(("asked", "most", "parallel"), [("auto", 30, 3), ("auto", 2, 2), ("7", 30, 7)])
def test_auto_is_katibs_default_but_not_more_than_there_are_trials(asked: str, most: int, parallel: int) -> None:
    counts = [
        f"experiment.parallelTrialCount={asked}",
        f"experiment.maxTrialCount={most}",
        "experiment.maxFailedTrialCount=1",
    ]
    assert search(QUICKSTART, set=counts)[0]["spec"]["parallelTrialCount"] == parallel


@each_profile
def test_no_template_text_is_left(profile: Path) -> None:
    assert not re.search(r"\{\{|<no value>|%!", json.dumps(search(profile)))


# without a search

SERVED_ONLY = {"experiment": {"enabled": False}, "server": {"model": "clothes"}, "storage": {"existingClaim": "models"}}


def test_without_a_search_nothing_is_rendered_that_needs_katib() -> None:
    objects = render(values=SERVED_ONLY, api_versions=BARE)
    assert {one["kind"] for one in objects} == {"Deployment", "Service", "ServiceAccount", "Pod"}
    container = only(objects, "Deployment")["spec"]["template"]["spec"]["containers"][0]
    assert "--model=clothes" in container["args"]


def test_without_a_search_policies_and_quotas_are_of_what_is_left() -> None:
    everything = next(path for path in PROFILES if path.stem == "everything")
    on = {one["metadata"]["name"] for one in render(everything)}
    off = {one["metadata"]["name"] for one in render(everything, values={"experiment": {"enabled": False}})}
    assert off < on
    assert all(part in " ".join(on - off) for part in ("trial", "suggestion", "extract"))
    assert not any(word in name for name in off for word in ("trial", "suggestion", "extract"))


def test_the_notes_of_a_release_without_a_search_speak_of_none() -> None:
    said = notes(values=SERVED_ONLY, api_versions=())
    assert "SEARCH  off" in said
    assert "PROMOTION" not in said
    assert "metrics-collector-injection" not in said


def test_what_pictures_become_is_the_same_on_both_engines(tmp_path: Path) -> None:
    profile = tmp_path / "leaves.yaml"
    profile.write_text("""
experiment:
  parameters:
    - {name: stage1_width, parameterType: discrete, feasibleSpace: {list: [16, 32]}}
trainer:
  data:
    source: images
    files: {train: {path: /store/leaves}}
    image: {size: [48, 64], channels: null, fit: crop}
    onUnreadable: skip
""")
    _, config = search(profile)
    on_cluster = Spec.model_validate_json(config["data"]["spec.json"])
    assert on_cluster.trainer.data.image == PictureShape(size=(48, 64), channels="auto", fit="crop")
    assert on_cluster.trainer.data.on_unreadable == "skip"
    assert on_cluster.search_digest == load(profile, laptop=False).spec.search_digest
