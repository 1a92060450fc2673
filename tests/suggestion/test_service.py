"""A suggestion service that remembers nothing: any pod answers a request alike, and as one machine decides."""

from __future__ import annotations

import random
import re
from pathlib import Path
from typing import Any

import grpc
import pytest
from atelier_cli.search.schedule import Result, Schedule
from atelier_searcher.decision import Networks
from atelier_store import halving, marks
from atelier_store.spec import Spec
from atelier_suggestion import katib_pb2 as katib
from atelier_suggestion.requests import networks_of
from atelier_suggestion.service import PROBED, SERVICE, suggestions
from grpc_health.v1 import health_pb2
from grpc_tools import protoc

from tests.suggestion.katib_search import (
    NAME,
    Search,
    ask_a_new_pod,
    curve,
    over,
    params_of,
    serving,
    setting,
    spec,
)
from tests.support import ROOT

FOLDER = ROOT / "packages/suggestion/src/atelier_suggestion"
OPERATION = {"name": "stage1_op", "parameterType": "categorical", "feasibleSpace": {"list": ["conv3", "sep3"]}}
DEPTH = {"name": "stage1_depth", "parameterType": "int", "feasibleSpace": {"min": "0", "max": "1"}}
WIDTH = {"name": "stem_width", "parameterType": "discrete", "feasibleSpace": {"list": ["8"]}}


def on_one_machine(of: Spec, most: int) -> list[tuple[dict[str, str], int]]:
    """The first jobs of the engine, one at a time. Its keys are others: they must not decide."""
    key = networks_of(of).key
    schedule = Schedule(of, Networks(lambda params: key(params)[::-1]), parallel=1)
    steps: list[tuple[dict[str, str], int]] = []
    while len(steps) < most and (job := schedule.decide()) is not None:
        values = curve(job.suggestion.params, of.trainer.max_epochs)
        end = halving.end_of_run(values, job.bars, of.trainer.max_epochs, of.experiment.objective)
        assert end
        schedule.report(job, Result(end[1], values[: end[0]]))
        steps.append((job.suggestion.params, job.resumed_at))
    return steps


def test_a_search_on_katib_makes_the_suggestions_of_one_machine() -> None:
    search = Search(spec(), most=30)
    search.run()
    assert search.steps() == on_one_machine(search.of, 30)
    assert {at for _, at in search.steps()} >= {0, 3, 9}, "networks went on from both rungs"


def test_a_pod_that_is_replaced_before_every_request_changes_nothing() -> None:
    undisturbed, evicted = Search(spec(), most=12), Search(spec(), ask_a_new_pod, most=12)
    with serving() as channel:
        undisturbed.ask = over(channel)
        undisturbed.run()
    evicted.run()
    assert evicted.steps() == undisturbed.steps()
    assert [one.name for one in evicted.trials] == [f"{NAME}-{number:04}" for number in range(12)]


def test_a_request_that_is_asked_again_or_in_another_order_gets_the_same_answer() -> None:
    search = Search(spec(), most=9)
    search.run()
    request = search.request(3)
    first = suggestions(request)
    shuffled = katib.GetSuggestionsRequest.FromString(request.SerializeToString())
    trials = list(shuffled.trials)
    random.Random(1).shuffle(trials)
    del shuffled.trials[:]
    shuffled.trials.extend(trials)
    assert suggestions(shuffled) == first == suggestions(request)
    assert len({one.trial_name for one in first.parameter_assignments}) == 3


def test_trials_that_run_side_by_side_are_different_networks_and_go_on_once() -> None:
    search = Search(spec(), most=24)
    running = search.grow(4)
    while len(search.trials) < search.most:
        search.end(running.pop(0))
        running += search.grow()
    keys = [networks_of(search.of).key(params) for params, at in search.steps() if at == 0]
    assert len(keys) == len(set(keys)), "a network was suggested twice"
    on = [(networks_of(search.of).key(params), at) for params, at in search.steps() if at]
    assert on and len(on) == len(set(on)), "a network went on twice from one rung"


def test_a_trial_that_failed_or_was_killed_is_not_suggested_again() -> None:
    search = Search(spec(), most=12)
    for condition in (katib.TrialStatus.FAILED, katib.TrialStatus.KILLED):
        (name,) = search.grow()
        search.end(name, condition)
    failed = [params for params, _ in search.steps()]
    search.run()
    assert not [params for params, _ in search.steps()[2:] if params in failed]


def test_a_network_that_was_over_budget_counts_as_known() -> None:
    search = Search(spec(), most=8)
    (name,) = search.grow()
    search.trial(name).status.condition = katib.TrialStatus.SUCCEEDED
    search.trial(name).status.observation.metrics.add(name="val_accuracy", value="0")
    search.run()
    assert params_of(search.trial(name)) not in [params for params, _ in search.steps()[1:]]


def test_counts_are_those_of_the_request_which_may_be_raised() -> None:
    search = Search(spec(trials=5), most=5)
    search.run()
    search.most = 9
    search.run()
    longer = Search(spec(trials=9), most=9)
    longer.run()
    assert search.steps() == longer.steps()


def test_names_stay_different_when_katib_hides_a_trial_or_takes_one_away() -> None:
    search = Search(spec(), most=30)
    names = search.grow(4)
    search.end(names[3], katib.TrialStatus.METRICSUNAVAILABLE)
    names += search.grow(2)
    search.trials = [one for one in search.trials if one.name != names[4]]  # parallelTrialCount was lowered
    search.asked -= 1
    names += search.grow(2)
    assert len(names) == len(set(names)) == 8


def test_where_nothing_is_left_the_best_is_given_again_because_katib_knows_no_end() -> None:
    """Depth 0 is one network, whatever its operation: three in all."""
    search = Search(spec(parameters=[DEPTH, OPERATION, WIDTH], earlyStopping={"algorithmName": "none"}), most=5)
    search.run()
    keys = [networks_of(search.of).key(params) for params, _ in search.steps()]
    assert len(set(keys[:3])) == 3
    best = max((params for params, _ in search.steps()[:3]), key=lambda params: curve(params, 27)[-1])
    assert [params for params, _ in search.steps()[3:]] == [best, best]


def test_katibs_probes_find_the_service() -> None:
    with serving() as channel:
        check = channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
            response_deserializer=health_pb2.HealthCheckResponse.FromString,
        )
        answer = check(health_pb2.HealthCheckRequest(service=PROBED), timeout=10)
    assert answer.status == health_pb2.HealthCheckResponse.SERVING


def refused(experiment: katib.Experiment, method: str) -> tuple[grpc.StatusCode, str]:
    requests: dict[str, Any] = {
        "GetSuggestions": katib.GetSuggestionsRequest(experiment=experiment, current_request_number=1),
        "ValidateAlgorithmSettings": katib.ValidateAlgorithmSettingsRequest(experiment=experiment),
    }
    request = requests[method]
    with serving() as channel, pytest.raises(grpc.RpcError) as error:
        channel.unary_unary(f"/{SERVICE}/{method}", request_serializer=type(request).SerializeToString)(request)
    return error.value.code(), error.value.details() or ""


@pytest.mark.parametrize("method", ["GetSuggestions", "ValidateAlgorithmSettings"])
@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, "setting spec: is missing; the chart writes it"),
        ("{", "setting spec: is no spec of a search: JSONDecodeError"),
        ("[]", "setting spec: is no spec of a search: TypeError"),
        (
            setting(spec()).replace('"maxEpochs": 27', '"maxEpochs": 27, "later": 1'),
            "trainer.later: Extra inputs .* release",
        ),
        (
            setting(spec()).replace('"algorithmName": "atelier"', '"algorithmName": "tpe"'),
            "algorithmName: tpe; allowed: atelier",
        ),
        (
            setting(spec()).replace('"experiment": {', '"experiment": {"experience": {"enabled": true}, '),
            "experiment.experience.enabled: true is for one machine only: the service has no store to learn from",
        ),
    ],
)
def test_an_experiment_that_is_not_as_the_chart_writes_it_is_refused(value: str | None, said: str, method: str) -> None:
    experiment = Search(spec()).experiment()
    if value is None:
        del experiment.spec.algorithm.algorithm_settings[:]
    else:
        experiment.spec.algorithm.algorithm_settings[0].value = value
    code, details = refused(experiment, method)
    assert code == grpc.StatusCode.INVALID_ARGUMENT
    assert re.search(said, details), details


def test_what_is_generated_is_of_the_proto_that_is_there(tmp_path: Path) -> None:
    arguments = ["protoc", f"-I{FOLDER}", f"--python_out={tmp_path}", f"--pyi_out={tmp_path}", "katib.proto"]
    assert protoc.main(arguments) == 0
    for name in ("katib_pb2.py", "katib_pb2.pyi"):
        assert (FOLDER / name).read_text() == (tmp_path / name).read_text(), "make protos"


def test_marks_are_the_rungs_and_the_last_epoch_and_other_algorithms_have_none() -> None:
    assert marks.names(spec()) == {3: "val_accuracy_at_3", 9: "val_accuracy_at_9", 27: "val_accuracy_at_27"}
    assert marks.names(spec(earlyStopping={"algorithmName": "none"})) == {27: "val_accuracy_at_27"}
    assert marks.names(spec(algorithm={"algorithmName": "tpe"})) == {}
