"""Earlier searches teach who wins after an epoch, and are believed as far as they were right."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from atelier_searcher.experience import Experience, early_rung, to_resume
from atelier_searcher.history import Trial
from atelier_searcher.rank_model import LEAST_RESULTS, LEAST_SEARCHES, LEAST_TRIALS, RankModel, place_of, taught
from atelier_store.records import EarlierSearch, EarlierTrial
from atelier_store.spec import Spec
from threadpoolctl import threadpool_limits

pytestmark = pytest.mark.process  # scikit-learn asks lscpu for the cores, once for each process

PARAMETERS: list[dict[str, Any]] = [
    {"name": "width", "parameterType": "int", "feasibleSpace": {"min": "1", "max": "64"}},
    {"name": "op", "parameterType": "categorical", "feasibleSpace": {"list": ["dense", "gated"]}},
]


def spec(early: str = "halving", min_epochs: int = 3, **experiment: Any) -> Spec:
    stopping = {
        "algorithmName": early,
        "algorithmSettings": [{"name": "min_epochs", "value": str(min_epochs)}] if early == "halving" else [],
    }
    chosen = {"earlyStopping": stopping, "parameters": PARAMETERS, **experiment}
    counts = {"maxTrialCount": 64, "maxFailedTrialCount": 3}
    trainer = {"data": {"source": "sklearn", "name": "digits"}, "maxEpochs": 9}
    return Spec.model_validate({"experiment": {"name": "tests", **chosen, **counts}, "trainer": trainer})


def quality(params: dict[str, str]) -> float:
    """Wider is better, and gated too."""
    return int(params["width"]) / 64 + (params["op"] == "gated")


def curve(value: float, noise: float, epochs: int) -> tuple[float, ...]:
    """Of which the first epoch tells little of the others."""
    return (noise, *(value + epoch for epoch in range(1, epochs)))


def drawn(seed: int, count: int) -> list[tuple[dict[str, str], float]]:
    """Parameters, and what the first epoch says."""
    draw = np.random.default_rng(seed)
    return [
        ({"width": str(draw.integers(1, 65)), "op": str(draw.choice(["dense", "gated"]))}, float(draw.normal()))
        for _ in range(count)
    ]


def search(seed: int, count: int = 40, of: Callable[[dict[str, str]], float] = quality) -> EarlierSearch:
    trials = [
        EarlierTrial(trial=f"t{place}", key=f"{place:016x}", params=params, values=curve(of(params), noise, 3))
        for place, (params, noise) in enumerate(drawn(seed, count))
    ]
    return EarlierSearch(name=f"search-{seed}", data_digest="d", trials=tuple(trials))


@pytest.fixture(scope="module")
def model() -> RankModel:
    found = taught(spec(), [search(seed) for seed in range(3)])
    assert found is not None
    return found


def test_it_tells_who_wins_better_than_the_first_epoch_does(model: RankModel) -> None:
    assert model.rung == 1 and model.searches == 3 and model.is_worth_asking
    assert model.right > 0.8 > model.values_right
    params, noise = zip(*drawn(9, 30), strict=True)
    places = model.places(params, [(value,) for value in noise])
    best = max(range(30), key=lambda one: quality(params[one]))
    assert sum(place > places[best] for place in places) < 5


def test_where_parameters_say_nothing_it_is_not_asked() -> None:
    nothing = np.random.default_rng(0)
    found = taught(spec(), [search(seed, of=lambda _: float(nothing.normal())) for seed in range(3)])
    assert found is not None and not found.is_worth_asking


def test_results_of_this_search_that_say_the_opposite_end_the_trust(model: RankModel) -> None:
    params, _ = zip(*drawn(9, 12), strict=True)
    as_taught, opposite = [(quality(one),) for one in params], [(-quality(one),) for one in params]
    assert model.is_right(params, as_taught) and not model.is_right(params, opposite)
    few = LEAST_RESULTS - 1
    assert model.is_right(params[:few], opposite[:few]), "so few cannot tell"


@pytest.mark.parametrize(
    ("of", "searches"),
    [
        (spec(early="none"), 3),
        (spec(min_epochs=2), 3),  # halving's first rung is at one epoch or two
        (spec(objectives=[{"metric": "params"}]), 3),
        (spec(), LEAST_SEARCHES - 1),
    ],
)
def test_there_is_none_without_searches_or_an_epoch_before_the_first_rung(of: Spec, searches: int) -> None:
    assert taught(of, [search(seed) for seed in range(searches)]) is None


def test_searches_of_a_few_trials_teach_nothing() -> None:
    assert taught(spec(), [search(seed, LEAST_TRIALS - 1) for seed in range(3)]) is None


def test_equal_searches_teach_the_same_bit_for_bit_with_any_number_of_threads(model: RankModel) -> None:
    params, noise = zip(*drawn(9, 30), strict=True)
    places = [model.places(params, [(value,) for value in noise])]
    for threads in (1, 4):
        with threadpool_limits(threads):
            again = taught(spec(), [search(seed) for seed in range(3)])
            assert again is not None and (again.right, again.values_right) == (model.right, model.values_right)
            places.append(again.places(params, [(value,) for value in noise]))
    assert places[0] == places[1] == places[2]


def test_the_best_third_by_what_was_taught_goes_on(model: RankModel) -> None:
    known = Experience("d", (), model)
    history = [Trial(params, f"{n:016x}", "paused", (noise,)) for n, (params, noise) in enumerate(drawn(5, 5))]
    paused = {trial.key: 1 for trial in history}
    resumed = to_resume(spec(), history, paused, known)
    places = model.places([trial.params for trial in history], [trial.values for trial in history])
    assert resumed is not None and resumed[0] == history[int(np.argmax(places))].key
    assert resumed[1] == f"place 1 of 5 by what earlier searches teach: {model.words}"
    del paused[resumed[0]]
    assert to_resume(spec(), history, paused, known) is None, "a third of five is one"
    assert early_rung(history, known) == 1


def test_who_waits_goes_on_at_once_when_trust_ends(model: RankModel) -> None:
    known = Experience("d", (), model)
    history = [Trial(params, f"{n:016x}", "paused", (-quality(params),)) for n, (params, _) in enumerate(drawn(9, 12))]
    paused = {trial.key: 1 for trial in history}
    resumed = to_resume(spec(), history, paused, known)
    assert resumed is not None and resumed[0] == history[0].key
    assert resumed[1] == "what earlier searches teach is not right here, so epoch 1 decides nothing"
    assert early_rung(history, known) is None


def test_places_are_shared_by_equal_values() -> None:
    assert place_of([3.0, 1.0, 3.0, 2.0]).tolist() == [0.75, 0.125, 0.75, 0.375]
