"""A search with objectives beside the objective keeps what is cheap as well as what is accurate."""

import hashlib
from typing import Any

import pytest
from atelier_searcher.decision import Networks, Resume, Suggestion, decide
from atelier_searcher.history import Trial
from atelier_store.spec import Spec

WIDTHS = [
    {"name": f"stage{n}_width", "parameterType": "int", "feasibleSpace": {"min": "1", "max": "30"}} for n in (1, 2)
]
NETWORKS = Networks(lambda params: hashlib.sha256(repr(sorted(params.items())).encode()).hexdigest()[:16])


def spec(algorithm: str = "multivariate-tpe", objectives: Any = ({"metric": "params"},), early: str = "none") -> Spec:
    experiment = {
        "name": "tests",
        "objectives": objectives,
        "algorithm": {"algorithmName": algorithm},
        "earlyStopping": {"algorithmName": early},
        "parameters": WIDTHS,
        "maxTrialCount": 40,
        "maxFailedTrialCount": 3,
    }
    trainer = {"data": {"source": "sklearn", "name": "digits"}, "maxEpochs": 9}
    return Spec.model_validate({"experiment": experiment, "trainer": trainer})


def point(params: dict[str, str]) -> tuple[float, float]:
    """Accuracy and cost: only networks with equal widths are on the front."""
    one, two = (int(params[f"stage{n}_width"]) for n in (1, 2))
    return min(one, two) / 30, float(one + two)


def searched(of: Spec, most: int = 40) -> list[Trial]:
    history: list[Trial] = []
    while len(history) < most and isinstance(decision := decide(of, history, NETWORKS), Suggestion):
        accuracy, cost = point(decision.params)
        others = (cost,) if of.experiment.objectives else ()
        history.append(Trial(decision.params, decision.key, "succeeded", (accuracy,) * 9, others))
    return history


def test_several_objectives_search_both_ends_of_the_front_where_one_searches_one() -> None:
    several, one = ([point(trial.params) for trial in searched(of)[10:]] for of in (spec(), spec(objectives=())))
    assert sum(cost < 20 for _, cost in several) > 3 and sum(accuracy >= 0.7 for accuracy, _ in several) > 3
    assert not any(cost < 20 for _, cost in one)


@pytest.mark.parametrize("algorithm", ["tpe", "bayesianoptimization", "random", "grid", "sobol"])
def test_equal_histories_of_several_objectives_give_equal_suggestions(algorithm: str) -> None:
    history = searched(spec("random"), 12)
    assert isinstance(decision := decide(spec(algorithm), history, NETWORKS), Suggestion)
    assert decide(spec(algorithm), list(history), NETWORKS) == decision


def test_what_goes_on_at_a_rung_is_the_best_front_and_not_the_best_by_the_objective() -> None:
    values = {
        "accurate": (0.9, 30.0),
        "beaten": (0.85, 31.0),
        "cheap": (0.5, 1.0),
        "a": (0.1, 40.0),
        "b": (0.2, 41.0),
        "c": (0.3, 42.0),
    }
    history = [
        Trial({"stage1_width": str(n), "stage2_width": "1"}, key, "paused", (value,) * 3, (cost,))
        for n, (key, (value, cost)) in enumerate(values.items(), 1)
    ]
    of = spec(early="halving")
    first = decide(of, history, NETWORKS)
    assert first == Resume("accurate", 3)
    rest = [trial for trial in history if trial.key != "accurate"]
    on = Trial(history[0].params, "accurate", "running", (0.9,) * 3, (30.0,))
    assert decide(of, [on, *rest], NETWORKS) == Resume("cheap", 3)
