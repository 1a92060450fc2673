"""A decision is a function of spec and history; nothing is trained that is known, or known to be over budget."""

import hashlib
import json
from typing import Any

import pytest
from atelier_searcher.decision import MOST_REFUSED, Networks, Nothing, Resume, Suggestion, decide
from atelier_searcher.history import Trial
from atelier_store.spec import Spec
from hypothesis import given, settings
from hypothesis import strategies as st

DEPTH = {"name": "stage1_depth", "parameterType": "int", "feasibleSpace": {"min": "0", "max": "2"}}
OPERATION = {"name": "stage1_op", "parameterType": "categorical", "feasibleSpace": {"list": ["conv3", "sep3"]}}
RATE = {"name": "lr", "parameterType": "double", "feasibleSpace": {"min": "0.1", "max": "0.9"}}
WIDTH = {"name": "stem_width", "parameterType": "int", "feasibleSpace": {"min": "1", "max": "60"}}


def spec(*parameters: dict[str, Any], trials: int = 30, algorithm: str = "multivariate-tpe") -> Spec:
    experiment = {
        "name": "tests",
        "algorithm": {"algorithmName": algorithm},
        "parameters": list(parameters),
        "maxTrialCount": trials,
        "maxFailedTrialCount": 3,
    }
    trainer = {"data": {"source": "sklearn", "name": "digits"}, "maxEpochs": 9}
    return Spec.model_validate({"experiment": experiment, "trainer": trainer})


def key_of(params: dict[str, str]) -> str:
    """As of a network where a stage without depth is not there."""
    active = {name: text for name, text in params.items() if params.get("stage1_depth") != "0" or name != "stage1_op"}
    return hashlib.sha256(json.dumps(active, sort_keys=True).encode()).hexdigest()[:16]


NETWORKS = Networks(key_of)


def searched(of: Spec, networks: Networks = NETWORKS, most: int = 100) -> tuple[list[Trial], Nothing | None]:
    """All trials of a search whose trials all succeed, and why it ended."""
    history: list[Trial] = []
    while len(history) < most:
        decision = decide(of, history, networks)
        if isinstance(decision, Nothing):
            return history, decision
        assert isinstance(decision, Suggestion) and decision.number == len(history)
        value = float(decision.params.get("stem_width", 1)) / 100
        history.append(Trial(decision.params, decision.key, "succeeded", tuple(value for _ in range(9))))
    return history, None


@pytest.mark.parametrize("algorithm", ["random", "tpe", "multivariate-tpe", "grid"])
def test_no_network_is_suggested_twice_and_a_space_ends_with_a_reason(algorithm: str) -> None:
    history, end = searched(spec(DEPTH, OPERATION, algorithm=algorithm))
    assert sorted(trial.key for trial in history) == sorted({trial.key for trial in history})
    assert len(history) == 5  # depth 0 is one network, whatever its operation
    assert end == Nothing("no other network in the search space: 5 were suggested")


@pytest.mark.parametrize("algorithm", ["random", "multivariate-tpe"])
def test_no_network_is_suggested_that_is_known_to_be_over_budget(algorithm: str) -> None:
    def refusal(params: dict[str, str]) -> str | None:
        return f"params {params['stem_width']} > 20" if int(params["stem_width"]) > 20 else None

    history, end = searched(spec(WIDTH, algorithm=algorithm), Networks(key_of, refusal))
    assert len(history) == 20 and {int(trial.params["stem_width"]) for trial in history} == set(range(1, 21))
    assert end and end.reason
    assert "20 were suggested, and 40 are not trained, such as one with params " in end.reason


def test_a_space_without_steps_of_which_nothing_may_be_trained_ends_too() -> None:
    history, end = searched(spec(RATE, trials=3), Networks(key_of, lambda _: "params 9 > 1"))
    assert not history
    assert end and end.reason and "that were tried" in end.reason and "params 9 > 1" in end.reason


def test_max_trial_count_counts_trainings() -> None:
    of = spec(WIDTH, RATE, trials=3, algorithm="random")
    history: list[Trial] = []
    for number in range(6):
        decision = decide(of, history, NETWORKS)
        assert isinstance(decision, Suggestion)
        trained = Trial(decision.params, decision.key, "succeeded", (0.5,) * 9)
        kinds = [Trial(decision.params, decision.key, "over_budget"), trained]
        kinds.append(Trial(decision.params, decision.key, "succeeded", (0.5,) * 9, found=True))
        history.append(kinds[number % 3])
    assert sum(trial.counts for trial in history) == 2
    assert isinstance(decide(of, history, NETWORKS), Suggestion)
    assert decide(of, [*history, Trial({"stem_width": "1", "lr": "0.1"}, "0" * 16)], NETWORKS) == Nothing()


def test_a_search_ends_that_finds_only_networks_over_budget() -> None:
    of = spec(RATE, algorithm="random")
    history = [Trial({"lr": f"0.{n}"}, f"{n:016x}", "over_budget") for n in range(100, 100 + MOST_REFUSED)]
    end = decide(of, history, NETWORKS)
    assert isinstance(end, Nothing) and end.reason and "over trainer.budget" in end.reason
    assert isinstance(decide(of, history[1:], NETWORKS), Suggestion)


def test_the_best_paused_trial_goes_on_before_anything_new() -> None:
    of = spec(WIDTH, trials=9)
    history = [Trial({"stem_width": str(n + 1)}, f"{n:016x}", "paused", (n / 10, n / 10, n / 10)) for n in range(3)]
    assert decide(of, history, NETWORKS) == Resume(f"{2:016x}", 3)
    running = [*history[:2], Trial(history[2].params, history[2].key, "running", history[2].values)]
    assert isinstance(decide(of, running, NETWORKS), Suggestion)


def test_what_was_made_before_is_kept() -> None:
    made = {0: {"stem_width": "7"}}
    decision = decide(spec(WIDTH), [], NETWORKS, made)
    assert isinstance(decision, Suggestion) and decision.params == made[0] and decision.key == key_of(made[0])


@settings(deadline=None, max_examples=15)
@given(
    st.sampled_from(["random", "tpe", "multivariate-tpe"]),
    st.lists(st.tuples(st.booleans(), st.floats(0, 1)), max_size=25),
)
def test_equal_histories_give_equal_decisions(algorithm: str, ends: list[tuple[bool, float]]) -> None:
    of = spec(WIDTH, DEPTH, OPERATION, algorithm=algorithm)
    made = [trial.params for trial in searched(spec(WIDTH, DEPTH, OPERATION, algorithm="random"), most=25)[0]]
    history = [
        Trial(params, key_of(params), "paused" if pauses else "succeeded", (value,) * (3 if pauses else 9))
        for params, (pauses, value) in zip(made, ends, strict=False)
    ]
    first = decide(of, history, NETWORKS)
    decide(of, history[: len(history) // 2], NETWORKS)
    assert decide(of.model_copy(), list(history), Networks(key_of)) == first
    if isinstance(first, Suggestion):
        assert first.key not in {trial.key for trial in history}
