"""A Gaussian process over mixed spaces: it finds, keeps away from what runs, and compares no values of two epochs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from atelier_searcher import gaussian, sampling
from atelier_searcher.decision import Networks, Suggestion, decide
from atelier_searcher.history import Trial
from atelier_searcher.sampling import proposals
from atelier_searcher.space import Point, Space
from atelier_store.spec import Parameter, Spec

LOG = {"distribution": "logUniform"}
PARAMETERS: list[dict[str, Any]] = [
    {"name": "stem_width", "parameterType": "discrete", "feasibleSpace": {"list": ["8", "16", "32", "64"]}},
    {"name": "stage1_depth", "parameterType": "int", "feasibleSpace": {"min": "1", "max": "400"}},
    {"name": "batch", "parameterType": "int", "feasibleSpace": {"min": "16", "max": "64", "step": "16"}},
    {"name": "width", "parameterType": "int", "feasibleSpace": {"min": "1", "max": "99", **LOG}},
    {"name": "lr", "parameterType": "double", "feasibleSpace": {"min": "0.001", "max": "0.1", **LOG}},
    {"name": "dropout", "parameterType": "double", "feasibleSpace": {"min": "0.1", "max": "0.5", "step": "0.1"}},
    {"name": "momentum", "parameterType": "double", "feasibleSpace": {"min": "0.5", "max": "0.9"}},
    {"name": "head", "parameterType": "categorical", "feasibleSpace": {"list": ["avg"]}},
    {"name": "stage1_op", "parameterType": "categorical", "feasibleSpace": {"list": ["conv3", "sep3", "sep5", "res3"]}},
]  # fmt: skip
NETWORKS = Networks(lambda params: hashlib.sha256(json.dumps(params, sort_keys=True).encode()).hexdigest()[:16])


def spec(algorithm: str = "atelier", objective: str = "maximize") -> Spec:
    experiment = {
        "name": "tests",
        "objective": {"type": objective},
        "algorithm": {"algorithmName": algorithm},
        "parameters": PARAMETERS,
        "maxTrialCount": 100,
        "maxFailedTrialCount": 3,
    }
    trainer = {"data": {"source": "sklearn", "name": "digits"}, "maxEpochs": 9}
    return Spec.model_validate({"experiment": experiment, "trainer": trainer})


def quality(params: dict[str, str]) -> float:
    """What a trial's value is here: best with sep5, a rate of 0.01 and the widest stem."""
    rate = abs(np.log10(float(params["lr"])) + 2)
    return float((params["stage1_op"] == "sep5") - rate + int(params["stem_width"]) / 64)


def searched(of: Spec, count: int) -> list[Trial]:
    """So many trials, one after the other."""
    history: list[Trial] = []
    for _ in range(count):
        decision = decide(of, history, NETWORKS)
        assert isinstance(decision, Suggestion)
        history.append(Trial(decision.params, decision.key, "succeeded", (quality(decision.params),) * 9))
    return history


def known(count: int = 24, value: Callable[[dict[str, str]], float] = quality) -> list[Trial]:
    """Trials at random."""
    space, made = Space(PARAMETERS_AS_SPEC), searched(spec("random"), count)
    assert space.size == float("inf")
    return [replace(trial, values=(value(trial.params),) * 9) for trial in made]


PARAMETERS_AS_SPEC = spec().experiment.parameters


def proposed(history: Sequence[Trial], of: Spec | None = None) -> list[Point]:
    return list(proposals(of or spec(), Space(PARAMETERS_AS_SPEC), history))


def test_it_finds_what_random_search_does_not() -> None:
    best = [max(trial.values[-1] for trial in searched(spec(name), 30)) for name in ("atelier", "random")]
    assert best[0] > 1.9 > best[1]  # of 2


def test_it_may_begin_with_the_first_result() -> None:
    chosen = {"algorithmName": "atelier", "algorithmSettings": [{"name": "n_startup_trials", "value": "0"}]}
    values = spec().model_dump(by_alias=True)
    of = Spec.model_validate(values | {"experiment": values["experiment"] | {"algorithm": chosen}})
    assert proposed(known(1), of)[0] != proposed(known(1))[0]
    assert len(proposed([], of)) == 1


def test_until_it_learns_it_suggests_sobol_points_and_says_so() -> None:
    made = searched(spec(), sampling.LEAST + 1)
    assert [trial.key for trial in made[:-1]] == [trial.key for trial in searched(spec("sobol"), sampling.LEAST)]
    first = decide(spec(), [], NETWORKS)
    assert isinstance(first, Suggestion)
    assert first.reason == "a Sobol point, until atelier has results to learn from"


def test_proposals_are_points_of_the_space_each_with_a_value_for_every_parameter() -> None:
    space = Space(PARAMETERS_AS_SPEC)
    points = proposed(known())
    assert len({tuple(point.values()) for point in points}) > gaussian.DRAWN
    for point in points:
        assert list(point) == list(space.distributions)
        for name, distribution in space.distributions.items():
            assert distribution._contains(distribution.to_internal_repr(point[name])), (name, point[name])
        assert space.params(space.point(space.params(point))) == space.params(point)


def test_equal_histories_give_equal_proposals_and_only_the_order_of_values_counts() -> None:
    first = proposed(known())
    assert proposed(known()) == first
    assert proposed(known(value=lambda params: 1000 + float(np.exp(quality(params))))) == first
    falling = known(value=lambda params: -quality(params))
    assert proposed(falling, spec(objective="minimize")) == first
    assert proposed(falling) != first


def test_values_of_different_epochs_are_not_compared() -> None:
    """However good those look that paused early, they stand behind those that went on."""

    def of(lift: float) -> list[Trial]:
        return [
            replace(trial, status="paused", values=(quality(trial.params) + lift,) * 3) if number % 3 else trial
            for number, trial in enumerate(known())
        ]

    assert proposed(of(0)) == proposed(of(1000)) == proposed(of(-1000))


def test_with_halving_the_end_teaches_as_soon_as_four_trials_reached_it_and_the_rung_until_then() -> None:
    """At a rung what learns fast is ahead, which need not be what is best in the end."""

    def of(sign: int, finished: int) -> list[Trial]:
        return [
            trial if number < finished else replace(trial, status="paused", values=(sign * quality(trial.params),) * 3)
            for number, trial in enumerate(known())
        ]

    assert proposed(of(1, finished=4)) == proposed(of(-1, finished=4))
    assert proposed(of(1, finished=3)) != proposed(of(-1, finished=3))


def test_of_trials_that_are_not_learnt_from_the_last_are_believed_however_many_there_are() -> None:
    rungs = [replace(trial, status="paused", values=trial.values[:3]) for trial in known(40)]
    many = [replace(trial, key=f"{number}") for number, trial in enumerate(rungs * 25)]
    ended = known(4)
    seen = list[int]()

    class Seeing:
        """A feature that sees how many points the model is asked of and learns from."""

        count, names = 1, ()

        def __call__(self, points: Sequence[Point]) -> gaussian.Array:
            seen.append(len(points))
            return np.zeros((len(points), 1))

    next(proposals(spec(), Space(PARAMETERS_AS_SPEC), [*many, *ended], Seeing()))
    assert seen[:2] == [4, sampling.MOST_BELIEVED]


def test_a_trial_that_runs_is_not_proposed_again_nor_its_neighbours_first() -> None:
    history = known()
    space = Space(PARAMETERS_AS_SPEC)
    first = proposed(history)[0]
    params = space.params(first)
    again = proposed([*history, Trial(params, NETWORKS.key(params))])
    assert first not in again[: len(again) // 2]


def test_a_trial_over_budget_stands_behind_all_others() -> None:
    history = known()
    worst = min(range(len(history)), key=lambda n: history[n].values)
    over = [replace(trial, status="over_budget", values=()) if n == worst else trial for n, trial in enumerate(history)]
    assert proposed(over) == proposed(history)


def test_of_many_trials_the_best_and_the_last_are_learnt_from() -> None:
    scores = np.random.default_rng(0).permutation(1000).astype(float)
    chosen = gaussian.modelled(scores)
    assert len(chosen) == gaussian.MOST_MODELLED and chosen == sorted(chosen)
    assert set(np.argsort(-scores)[:50]) <= set(chosen)
    assert set(range(960, 1000)) <= set(chosen)


class Told:
    """A feature that says which operation is good."""

    count, names = 1, ("stage1_op",)

    def __call__(self, points: Sequence[Point]) -> gaussian.Array:
        return np.array([[2.0 if point["stage1_op"] == "res3" else -0.5] for point in points])


def test_a_feature_that_tells_results_leads_and_one_that_misled_leads_away() -> None:
    space, history = Space(PARAMETERS_AS_SPEC), known(40)
    points = [space.point(trial.params) for trial in history]
    for sign, leads in ((1.0, True), (-1.0, False)):
        scores = np.array([sign * (point["stage1_op"] == "res3") for point in points])
        top = gaussian.proposals(space, points, scores, [], 0, Told())[:20]
        assert all((point["stage1_op"] == "res3") == leads for point in top)


def test_what_a_choice_is_worth_in_one_place_is_expected_of_the_others() -> None:
    feasible = {"list": ["conv", "pool", "none", "skip"]}
    places = [{"name": f"op{n}", "parameterType": "categorical", "feasibleSpace": feasible} for n in range(4)]
    space = Space([Parameter.model_validate(place) for place in places])
    assert space.sharing == [["op0", "op1", "op2", "op3"]]
    points = [
        {"op0": "conv", "op1": first, "op2": second, "op3": "none"}
        for first in feasible["list"]
        for second in feasible["list"]
    ]
    scores = np.array([float(list(point.values()).count("pool")) for point in points])
    best = gaussian.proposals(space, points, scores, [], 0)[0]
    assert best["op1"] == best["op2"] == "pool" and "pool" in (best["op0"], best["op3"])  # which had been in no trial


@pytest.mark.parametrize("z", [-1e6, -100.0, -30.0, -5.0, -1.001, -0.999, 0.0, 5.0, 40.0])
def test_the_logarithm_of_the_gain_is_finite_and_rises(z: float) -> None:
    low, high = gaussian.log_gain(np.array([z, z + 1e-3 * max(1, abs(z))]))
    assert np.isfinite([low, high]).all() and low < high
