"""An Experiment of the algorithm atelier tells the suggestion service all that it has to know, and nothing secret."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from atelier_cli.profile.facts import ON_A_CLUSTER
from atelier_cli.profile.loading import chart_defaults
from atelier_store import marks
from atelier_store.spec import Spec
from atelier_suggestion import katib_pb2 as katib
from atelier_suggestion.requests import spec_of
from atelier_trainer.__main__ import parser, request_of

from tests.chart.rendering import PROFILES, only, refused, render

pytestmark = pytest.mark.process

QUICKSTART = next(path for path in PROFILES if path.stem == "quickstart")
ATELIER = "experiment.algorithm.algorithmName=atelier"


def search(*sets: str, profile: Path = QUICKSTART) -> tuple[dict[str, Any], Spec]:
    """The Experiment, and the spec that its trials read."""
    objects = render(profile, set=[ATELIER, *sets])
    experiment = only(objects, "Experiment")
    config = only(objects, "ConfigMap", experiment["metadata"]["name"])
    return experiment, Spec.model_validate_json(config["data"]["spec.json"])


def told(experiment: dict[str, Any]) -> katib.Experiment:
    """The Experiment as Katib tells the service of it."""
    spec = experiment["spec"]
    settings = [katib.AlgorithmSetting(**one) for one in spec["algorithm"]["algorithmSettings"]]
    algorithm = katib.AlgorithmSpec(algorithm_name=spec["algorithm"]["algorithmName"], algorithm_settings=settings)
    counts = {"max_trial_count": spec["maxTrialCount"], "parallel_trial_count": spec["parallelTrialCount"]}
    return katib.Experiment(
        name=experiment["metadata"]["name"], spec=katib.ExperimentSpec(algorithm=algorithm, **counts)
    )


@pytest.mark.parametrize("profile", PROFILES, ids=lambda path: path.stem)
def test_the_service_reads_the_spec_of_the_trials_with_the_counts_of_katib(profile: Path) -> None:
    experiment, of_trials = search(profile=profile)
    known = spec_of(told(experiment))
    data = of_trials.trainer.data.model_copy(update={"files": {}})
    counts = {"parallel_trial_count": experiment["spec"]["parallelTrialCount"], "max_failed_trial_count": 0}
    assert known.trainer == of_trials.trainer.model_copy(update={"data": data})
    assert known.experiment == of_trials.experiment.model_copy(update=counts)
    assert known.experiment_name == experiment["metadata"]["name"]


@pytest.mark.parametrize(
    "sets",
    [
        (),
        ("trainer.maxEpochs=9",),
        ("experiment.earlyStopping.algorithmName=none", "experiment.earlyStopping.algorithmSettings=null"),
        ("experiment.earlyStopping.algorithmSettings[0].value=2", "trainer.maxEpochs=1000"),
    ],
)
def test_katib_collects_the_marks_that_trials_print(sets: tuple[str, ...]) -> None:
    experiment, of_trials = search(*sets)
    objective = experiment["spec"]["objective"]
    names = [*of_trials.experiment.objective.additional_metric_names, *marks.names(of_trials).values()]
    assert objective["additionalMetricNames"] == names
    assert [one["name"] for one in objective["metricStrategies"]] == [objective["objectiveMetricName"], *names]


def test_counts_may_be_raised_without_another_search() -> None:
    name = search()[0]["metadata"]["name"]
    assert search("experiment.maxTrialCount=99", "experiment.parallelTrialCount=2")[0]["metadata"]["name"] == name
    assert search("trainer.seed=7")[0]["metadata"]["name"] != name


def test_no_address_of_data_is_told_which_may_hold_a_password() -> None:
    file = {"url": "https://ada:secret@example.com/a.npz", "sha256": "0" * 64}
    data = {"source": "npz", "name": None, "kind": "images", "files": {"train": file}}
    objects = render(QUICKSTART, set=[ATELIER], values={"trainer": {"data": data}})
    assert "secret" not in json.dumps(only(objects, "Experiment"))


def test_a_trial_learns_from_its_pods_label_where_it_goes_on(tmp_path: Path) -> None:
    experiment, of_trials = search()
    of_trials.write(tmp_path / "spec.json")
    pod = experiment["spec"]["trialTemplate"]["trialSpec"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    (variable,) = [one for one in container["env"] if "valueFrom" in one]
    assert variable["valueFrom"]["fieldRef"]["fieldPath"] == f"metadata.labels['{marks.RESUMED_AT}']"
    (argument,) = [one for one in container["args"] if f"$({variable['name']})" in one]
    asked = argument.replace(f"$({variable['name']})", "9")
    request = request_of(parser().parse_args([f"--spec={tmp_path}/spec.json", "--store=s", "--trial=t", asked]))
    assert request.resumed_at == 9


def test_other_algorithms_have_neither_marks_nor_the_spec() -> None:
    objects = render(QUICKSTART)
    text = json.dumps(only(objects, "Experiment"))
    assert "_at_" not in text and "resumed" not in text and '"spec", "value"' not in text


def test_medianstop_is_refused_whose_trials_end_where_no_mark_is() -> None:
    error = refused(QUICKSTART, set=[ATELIER, "experiment.earlyStopping.algorithmName=medianstop"])
    assert "earlyStopping" in error and "algorithmName" in error, error


@pytest.mark.parametrize("sets", [(), ("experiment.algorithm.algorithmSettings[0].value=5",)])
def test_auto_is_an_algorithm_that_katib_has_and_the_same_search_as_by_its_name(sets: tuple[str, ...]) -> None:
    chosen = [
        render(QUICKSTART, set=[f"experiment.algorithm.algorithmName={name}", *sets]) for name in ("auto", ON_A_CLUSTER)
    ]
    assert chosen[0] == chosen[1]
    assert only(chosen[0], "Experiment")["spec"]["algorithm"]["algorithmName"] == ON_A_CLUSTER


def test_auto_is_what_a_profile_gets_that_names_no_algorithm() -> None:
    experiment = only(render(QUICKSTART, set=["experiment.algorithm=null"]), "Experiment")
    assert experiment["spec"]["algorithm"]["algorithmName"] == ON_A_CLUSTER
    assert chart_defaults()["experiment"]["algorithm"]["algorithmName"] == "auto"
