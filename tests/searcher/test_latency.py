"""Latency is foretold from what was measured, as far as that foretells itself, and nothing else is refused by it."""

import hashlib
import random
from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest
from atelier_searcher import latency
from atelier_searcher.decision import Networks, Nothing, Suggestion, decide
from atelier_searcher.history import Status, Trial
from atelier_searcher.latency import FEWEST, MOST, Measured
from atelier_store.spec import Spec

BOUND = 0.35

Clock = Callable[[dict[str, str]], float]
"""The milliseconds that the network of these parameters is measured to take."""


def operations(params: Mapping[str, str]) -> dict[str, float]:
    width = float(params["stem_width"])
    return {"matrix.macs": width * width, "matrix.nodes": 2.0, "other.elements": width}


def takes(params: dict[str, str]) -> float:
    width = float(params["stem_width"])
    return 0.05 + 1e-4 * width * width + 1e-3 * width


def noise(params: dict[str, str]) -> float:
    return random.Random(params["stem_width"]).uniform(0.1, 1)


def measured(params: dict[str, str], clock: Clock = takes, machine: str = "a") -> Measured:
    return Measured(tuple(sorted(operations(params).items())), clock(params), machine)


def several(count: int, clock: Clock = takes, machine: str = "a") -> list[Measured]:
    return [measured({"stem_width": str(5 + 3 * n)}, clock, machine) for n in range(count)]


def test_a_network_that_was_not_measured_takes_what_its_operations_take() -> None:
    found = latency.line(several(20))
    assert found is not None and found.margin < 1.1
    params = {"stem_width": "33"}
    foretold = found.foretell(operations(params))
    assert foretold is not None and foretold.ms == pytest.approx(takes(params), rel=0.05)
    assert foretold.over(takes(params) * 2) is None
    assert foretold.over(takes(params) / 2) is not None


def test_one_that_may_be_within_the_bound_by_the_margin_is_not_refused() -> None:
    foretold = latency.Foretold(ms=0.5, networks=9, margin=1.25)
    assert foretold.over(0.4) is None
    assert foretold.over(0.39) == "latencyMs 0.5 foretold from 9 networks, at most 1.25 times too much > 0.39"


def test_nothing_is_foretold_from_few_networks_or_where_they_do_not_foretell_each_other() -> None:
    assert latency.line([]) is None
    assert latency.line(several(FEWEST - 1)) is None
    assert latency.line([*several(1)] * 50) is None  # one network, measured again and again
    assert latency.line(several(FEWEST)) is not None
    assert latency.line(several(30, noise)) is None


def test_an_operation_that_nobody_measured_is_not_foretold() -> None:
    found = latency.line(several(20))
    assert found is not None
    assert found.foretell({"convolution.macs": 9.0}) is None
    assert found.foretell(None) is None


def test_another_machine_begins_anew() -> None:
    assert latency.line([*several(20), *several(1, machine="b")]) is None
    assert latency.line([*several(20), *several(FEWEST, noise, "b")]) is None
    assert latency.line([*several(20, noise, "b"), *several(FEWEST)]) is not None


def test_only_the_last_networks_are_learnt_from() -> None:
    found = latency.line(several(MOST + 20))
    assert found is not None and found.networks == MOST


def key_of(params: dict[str, str]) -> str:
    return hashlib.sha256(params["stem_width"].encode()).hexdigest()[:16]


def spec(bound: float | None = BOUND, algorithm: str = "random") -> Spec:
    width = {"name": "stem_width", "parameterType": "int", "feasibleSpace": {"min": "1", "max": "100"}}
    experiment = {
        "name": "tests",
        "algorithm": {"algorithmName": algorithm},
        "parameters": [width],
        "maxTrialCount": 60,
        "maxFailedTrialCount": 3,
    }
    budget = {"latencyMs": bound} if bound else {}
    trainer = {"data": {"source": "sklearn", "name": "digits"}, "maxEpochs": 1, "budget": budget}
    return Spec.model_validate({"experiment": experiment, "trainer": trainer})


def searched(of: Spec, clock: Clock = takes) -> tuple[list[Trial], list[str], Nothing]:
    """The trials of a search whose networks are measured, the reasons of their suggestions, and why it ended."""
    history: list[Trial] = []
    reasons: list[str] = []
    networks = Networks(key_of, operations=operations)
    while not isinstance(decision := decide(of, history, networks), Nothing):
        assert isinstance(decision, Suggestion)
        assert decide(of, history, networks) == decision
        found = measured(decision.params, clock)
        bound = of.trainer.budget.latency_ms
        is_over = bound is not None and found.ms > bound
        value = () if is_over else (int(decision.params["stem_width"]) / 1000,)
        status: Status = "over_budget" if is_over else "succeeded"
        history.append(Trial(decision.params, decision.key, status, value, measured=found))
        reasons.append(decision.reason or "")
    return history, reasons, decision


@pytest.mark.parametrize("algorithm", ["random", "multivariate-tpe", "atelier"])
def test_networks_that_are_foretold_too_slow_are_not_suggested(algorithm: str) -> None:
    history, reasons, end = searched(spec(algorithm=algorithm))
    within = {str(width) for width in range(1, 101) if takes({"stem_width": str(width)}) <= BOUND}
    assert {trial.params["stem_width"] for trial in history} >= within  # none is refused that would have been trained
    guided = [trial for trial, reason in zip(history, reasons, strict=True) if "foretold" in reason]
    assert guided and len(history) < 100 - 25
    assert all(takes(trial.params) <= BOUND * 1.2 for trial in guided)
    assert end.reason is not None and "are not trained, such as one with latencyMs" in end.reason


def test_where_all_that_is_left_is_foretold_too_slow_the_fastest_of_it_is_measured_before_a_search_ends() -> None:
    """So that a line that was drawn through noise is found out."""
    history, reasons, _ = searched(spec())
    assert [trial.status for trial in history[-3:]] == ["over_budget"] * 3
    assert all(reason.endswith("the fastest that is left") for reason in reasons[-3:])
    wrong = [replace(measured(trial.params), ms=9.0) for trial in history]
    told = [replace(trial, measured=one) for trial, one in zip(history, wrong, strict=True)]
    assert isinstance(decide(spec(), told, Networks(key_of, operations=operations)), Suggestion)


@pytest.mark.parametrize("seed", range(5))
def test_where_the_clock_cannot_be_foretold_a_search_goes_on_to_its_end(seed: int) -> None:
    def noise(params: dict[str, str]) -> float:
        return random.Random(f"{seed} {params}").uniform(0.1, 1)

    history, _, _ = searched(spec(), noise)
    within = [width for width in range(1, 101) if noise({"stem_width": str(width)}) <= BOUND]
    assert sum(trial.counts for trial in history) >= min(60, len(within))


def test_without_a_bound_nothing_is_refused_and_what_is_foretold_is_said() -> None:
    history, reasons, _ = searched(spec(None))
    assert len(history) == 60
    assert "; latencyMs " in reasons[-1]
