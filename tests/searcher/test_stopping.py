"""A search that has little left to gain ends, says so, and never by values of different epochs."""

from dataclasses import replace
from typing import Any

import pytest
from atelier_searcher.decision import Networks, Nothing, Suggestion, decide
from atelier_searcher.history import Trial
from atelier_searcher.stopping import LEAST_TRIALS
from atelier_store.spec import Spec

WIDTH = {"name": "stem_width", "parameterType": "int", "feasibleSpace": {"min": "1", "max": "60"}}
NETWORKS = Networks(lambda params: params["stem_width"])


def spec(gain: float | None, **objective: Any) -> Spec:
    experiment = {
        "name": "tests",
        "objective": objective,
        "algorithm": {"algorithmName": "random"},
        "parameters": [WIDTH],
        "maxTrialCount": 50,
        "maxFailedTrialCount": 3,
        "stopWhen": {"expectedGainBelow": gain},
    }
    trainer = {"data": {"source": "sklearn", "name": "digits"}, "maxEpochs": 9}
    return Spec.model_validate({"experiment": experiment, "trainer": trainer})


def history(trials: int = 30, epochs: int = 9, sign: int = 1) -> list[Trial]:
    """Trials on a hill whose top, at 30, is among them: the others are less than 0.001 higher."""
    widths = [30, *(width for width in range(1, 60, 2))][:trials]
    values = [sign * (0.9 - ((width - 30) / 100) ** 2) for width in widths]
    return [
        Trial({"stem_width": str(width)}, str(width), "succeeded", (value,) * epochs)
        for width, value in zip(widths, values, strict=True)
    ]


@pytest.mark.parametrize(
    ("objective", "sign"), [({}, 1), ({"type": "minimize", "objectiveMetricName": "val_loss"}, -1)]
)
def test_a_search_ends_where_no_network_can_be_better_by_the_bound(objective: dict[str, str], sign: int) -> None:
    of = spec(0.05, **objective)
    decision = decide(of, history(sign=sign), NETWORKS)
    assert decision == Nothing(
        "no network is expected to be better than the best of 30 at epoch 9 by 0.05 "
        "(experiment.stopWhen.expectedGainBelow)"
    )
    assert decide(of, history(sign=sign), NETWORKS) == decision


@pytest.mark.parametrize("gain", [None, 1e-9])
def test_a_search_goes_on_while_more_than_the_bound_may_be_gained(gain: float | None) -> None:
    assert isinstance(decide(spec(gain), history(), NETWORKS), Suggestion)


def test_few_trials_end_no_search() -> None:
    assert isinstance(decide(spec(0.5), history(LEAST_TRIALS - 1), NETWORKS), Suggestion)


def test_only_values_of_one_epoch_are_compared() -> None:
    early = [replace(trial, status="running", values=trial.values[:3]) for trial in history()]
    late = [replace(trial, values=(*trial.values[:8], trial.values[0] + 90)) for trial in history(5)]
    assert "best of 30 at epoch 3" in str(decide(spec(0.05), [*late, *early[5:]], NETWORKS))


def test_when_a_search_stops_makes_no_other_search() -> None:
    assert "stopWhen" not in spec(None).model_dump(by_alias=True)["experiment"]
    assert spec(0.05).search_digest == spec(None).search_digest
