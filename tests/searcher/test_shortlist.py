"""A shortlist leads the first suggestions, and is dropped where its scores mislead."""

import hashlib
import itertools
import json
from typing import Any

import numpy as np
import pytest
from atelier_searcher.decision import NO_SHORTLIST, Networks, Suggestion, decide
from atelier_searcher.history import Trial
from atelier_searcher.sampling import LEAST_WITH_FEATURES, standing
from atelier_searcher.shortlist import (
    DRAWN,
    EVERY,
    LEAST_RESULTS,
    OPENING,
    Features,
    Shortlist,
    aggregate,
)
from atelier_searcher.space import Space
from atelier_store.records import Candidate
from atelier_store.spec import Spec

WIDTHS = {f"stage{stage}_width": ["8", "16", "24", "32"] for stage in (1, 2, 3)}
RATE = {"name": "lr", "parameterType": "double", "feasibleSpace": {"min": "0.1", "max": "0.9"}}
NETWORKS = Networks(lambda params: hashlib.sha256(json.dumps(params, sort_keys=True).encode()).hexdigest()[:16])


def spec(*others: dict[str, Any], algorithm: str = "multivariate-tpe") -> Spec:
    parameters = [
        {"name": name, "parameterType": "categorical", "feasibleSpace": {"list": widths}}
        for name, widths in WIDTHS.items()
    ]
    counts = {"maxTrialCount": 64, "maxFailedTrialCount": 3}
    chosen = {"algorithm": {"algorithmName": algorithm}}
    experiment = {"name": "tests", "parameters": [*parameters, *others], **chosen, **counts}
    trainer = {"data": {"source": "sklearn", "name": "digits"}, "maxEpochs": 9}
    return Spec.model_validate({"experiment": experiment, "trainer": trainer})


def width(params: dict[str, str]) -> float:
    """What a trial's value is here: wider is better."""
    return sum(float(params[name]) for name in WIDTHS)


def shortlist(sign: float = 1.0) -> Shortlist:
    """Every network, scored by what it will come to, or by the opposite."""
    every = [dict(zip(WIDTHS, widths, strict=True)) for widths in itertools.product(*WIDTHS.values())]
    drawn = np.random.default_rng(0).permutation(len(every))
    return Shortlist(tuple(Candidate(params=every[n], scores={"synflow": sign * width(every[n])}) for n in drawn))


def searched(of: Spec, scored: Shortlist, count: int) -> tuple[list[Trial], list[Suggestion]]:
    history, made = list[Trial](), list[Suggestion]()
    for _ in range(count):
        decision = decide(of, history, NETWORKS, shortlist=scored)
        assert isinstance(decision, Suggestion)
        made.append(decision)
        history.append(Trial(decision.params, decision.key, "succeeded", (width(decision.params),) * 9))
    return history, made


def test_the_first_suggestions_are_the_best_of_the_shortlist_but_for_those_that_test_it() -> None:
    made = searched(spec(), shortlist(), OPENING)[1]
    first = [suggestion for number, suggestion in enumerate(made) if number % EVERY != EVERY - 1]
    best = sorted(map(width, (candidate.params for candidate in shortlist().candidates)), reverse=True)
    assert [width(suggestion.params) for suggestion in first] == best[: len(first)]
    assert first[0].reason == "1 of 64 on the shortlist"
    others = [suggestion for suggestion in made if suggestion not in first]
    assert {suggestion.reason for suggestion in others} == {DRAWN}


def test_later_suggestions_are_near_the_best() -> None:
    history, made = searched(spec(), shortlist(), OPENING + 3)
    best = max(history[:OPENING], key=lambda trial: trial.values)
    near = made[OPENING]
    assert near.reason == f"near {best.key}, the best so far"
    assert sum(near.params[name] != best.params[name] for name in WIDTHS) in (1, 2)


def test_scores_that_mislead_are_dropped_for_the_algorithm_as_soon_as_results_say_so() -> None:
    made = searched(spec(), shortlist(sign=-1.0), OPENING)[1]
    believed = [suggestion.number for suggestion in made if "on the shortlist" in str(suggestion.reason)]
    assert believed and max(believed) <= LEAST_RESULTS
    assert any("multivariate-tpe" in str(suggestion.reason) for suggestion in made)


def test_the_gaussian_process_learns_that_scores_mislead() -> None:
    history, made = searched(spec(algorithm="atelier"), shortlist(sign=-1.0), LEAST_WITH_FEATURES + 8)
    assert max(width(history[n].params) for n in range(LEAST_WITH_FEATURES)) < 80
    later = range(LEAST_WITH_FEATURES, len(made))
    assert all(str(made[n].reason).startswith(f"atelier, from {n} trials") for n in later)
    assert max(width(history[n].params) for n in later) == 96  # the best of 64, and the last by its score


def test_scores_lead_the_gaussian_process_to_good_networks_that_differ_before_there_are_results() -> None:
    of, history = spec(algorithm="atelier"), list[Trial]()
    for _ in range(12):
        decision = decide(of, history, NETWORKS, shortlist=shortlist())
        assert isinstance(decision, Suggestion)
        assert str(decision.reason).startswith("atelier, by scores of untrained networks, until it has results")
        history.append(Trial(decision.params, decision.key))
    widths = [width(trial.params) for trial in history]
    assert max(widths[:2]) == 96 and np.mean(widths) > 72  # of 24 to 96, 60 on average
    assert len({trial.params["stage1_width"] for trial in history}) > 1


def test_the_first_results_are_learnt_from_where_a_profile_asks_for_it() -> None:
    values = spec(algorithm="atelier").model_dump(by_alias=True)
    settings = [{"name": "n_startup_trials", "value": "2"}]
    values["experiment"]["algorithm"]["algorithmSettings"] = settings
    made = searched(Spec.model_validate(values), shortlist(), 3)[1]
    assert str(made[1].reason).startswith("atelier, by scores")
    assert str(made[2].reason).startswith("atelier, from 2 trials")


def test_of_a_network_without_a_score_those_near_it_say_what_it_may_be() -> None:
    space = Space(spec().experiment.parameters)
    some = Shortlist(shortlist().candidates[:48])
    points = list(space.points(0))
    numbers = Features(some, space)(points)[:, 0]
    assert abs(numbers.mean()) < 0.3 and 0.7 < numbers.std() < 1.3
    assert np.corrcoef(numbers, [width(space.params(point)) for point in points])[0, 1] > 0.95
    own = Features(some, space)([space.point(candidate.params) for candidate in some.candidates])[:, 0]
    best = some.candidates[int(np.argmax(own))].params
    assert width(best) == max(width(candidate.params) for candidate in some.candidates)


def test_parameters_without_a_score_are_the_algorithms() -> None:
    with_rate, without = (searched(spec(RATE), scored, 1)[1][0] for scored in (shortlist(), NO_SHORTLIST))
    assert with_rate.params["lr"] == without.params["lr"]
    assert width(with_rate.params) == 96 and list(with_rate.params) == [*WIDTHS, "lr"]


def test_before_it_learns_the_gaussian_process_takes_them_from_all_of_their_range() -> None:
    """What it is least certain of lies at the ends, and the best of a learning rate seldom does."""
    rates = [float(one.params["lr"]) for one in searched(spec(RATE, algorithm="atelier"), shortlist(), 9)[1]]
    inside = np.histogram(rates[:LEAST_WITH_FEATURES], bins=4, range=(0.1, 0.9))[0]
    assert min(inside) > 0


def test_equal_histories_and_shortlists_give_equal_suggestions() -> None:
    history, made = searched(spec(RATE), shortlist(), OPENING + 4)
    for count, suggestion in enumerate(made):
        again = decide(spec(RATE), history[:count], NETWORKS, shortlist=shortlist())
        assert isinstance(again, Suggestion) and (again, again.reason) == (suggestion, suggestion.reason)


def test_without_a_shortlist_everything_is_suggested_as_before() -> None:
    made = [decide(spec(), [], NETWORKS), decide(spec(), [], NETWORKS, shortlist=Shortlist(()))]
    assert made[0] == made[1]
    assert isinstance(made[0], Suggestion)
    assert made[0].reason == "at random, until multivariate-tpe has results to learn from"


@pytest.mark.parametrize("algorithm", ["atelier", "multivariate-tpe"])
def test_a_shortlist_of_networks_that_cannot_be_built_leaves_the_search_to_the_algorithm(algorithm: str) -> None:
    without = Shortlist(tuple(candidate.model_copy(update={"scores": {}}) for candidate in shortlist().candidates))
    of = spec(RATE, algorithm=algorithm)
    made, free = (searched(of, scored, 12)[1] for scored in (without, NO_SHORTLIST))
    assert len({one.key for one in made}) == 12
    assert [(one, one.reason) for one in made] == [(one, one.reason) for one in free]


def test_who_is_good_by_both_scores_is_ahead_of_the_best_by_one_and_who_has_none_is_last() -> None:
    total = aggregate(
        [{"synflow": 4, "naswot": 1}, {"synflow": 3, "naswot": 3}, {"synflow": 2, "naswot": 2}, {"synflow": 1}]
    )
    assert np.argsort(-total).tolist() == [1, 0, 2, 3]
    assert total[1] == pytest.approx(np.log(3 / 4) + np.log(4 / 4))


def test_who_came_further_stands_better_whatever_its_value() -> None:
    history = [
        Trial({}, "a", "paused", (0.9, 0.9, 0.9)),
        Trial({}, "b", "succeeded", (0.1,) * 9),
        Trial({}, "c", "succeeded", (0.2,) * 9),
        Trial({}, "d", "running"),
    ]
    assert standing(spec(), history) == {0: 0, 1: 1, 2: 2}
