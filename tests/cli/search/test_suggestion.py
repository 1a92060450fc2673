"""Optuna under Katib's names: inside the space, repeatable, in the user's own spelling."""

import warnings

import pytest
from atelier_cli.search.suggestion import SAMPLERS, Suggester
from atelier_store.spec import Spec

SPACE = {
    "stem_width": ("discrete", {"list": ["64", "8", "16"]}),
    "stage1_depth": ("int", {"min": "1", "max": "3"}),
    "batch": ("int", {"min": "16", "max": "64", "step": "16"}),
    "lr": ("double", {"min": "0.001", "max": "0.1", "distribution": "logUniform"}),
    "dropout": ("double", {"min": "0.1", "max": "0.5", "step": "0.1"}),
    "activation": ("categorical", {"list": ["relu", "silu"]}),
}
ALLOWED = {
    "stem_width": {"8", "16", "64"},
    "stage1_depth": {"1", "2", "3"},
    "batch": {"16", "32", "48", "64"},
    "dropout": {"0.1", "0.2", "0.3", "0.4", "0.5"},
    "activation": {"relu", "silu"},
}


def spec(algorithm: str, seed: int = 0, settings: dict[str, str] | None = None) -> Spec:
    space = {name: entry for name, entry in SPACE.items() if algorithm != "grid" or name != "lr"}
    parameters = [
        {"name": name, "parameterType": kind, "feasibleSpace": feasible} for name, (kind, feasible) in space.items()
    ]
    named = [{"name": name, "value": value} for name, value in (settings or {}).items()]
    experiment = {
        "name": "t",
        "algorithm": {"algorithmName": algorithm, "algorithmSettings": named},
        "parameters": parameters,
    }
    data = {"source": "sklearn", "name": "digits"}
    trainer = {"data": data, "maxEpochs": 3, "seed": seed}
    return Spec.model_validate(
        {"experiment": experiment | {"maxTrialCount": 30, "maxFailedTrialCount": 0}, "trainer": trainer}
    )


def suggested(of: Spec, count: int = 14) -> list[dict[str, str]]:
    """Suggestions, reported alternately as succeeded, paused and over budget."""
    suggester = Suggester(of)
    params = []
    for number in range(count):
        suggestion = suggester.ask()
        assert suggestion is not None and suggestion.number == number
        params.append(suggestion.params)
        values = [float(suggestion.params["stage1_depth"])] * (number % 3)
        suggester.tell(number, values, is_complete=number % 3 == 2)
        if number % 5 == 4:
            suggester.tell(number, [0.5, 0.6, 0.7], is_complete=True)
    return params


@pytest.mark.process
@pytest.mark.parametrize("algorithm", SAMPLERS)
def test_suggestions_are_inside_the_space_repeatable_and_quiet(algorithm: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        first, again = (suggested(spec(algorithm)) for _ in range(2))
        other = suggested(spec(algorithm, seed=1))
    assert first == again
    assert first != other
    for params in first:
        assert all(params[name] in allowed for name, allowed in ALLOWED.items())
        assert algorithm == "grid" or 0.001 <= float(params["lr"]) <= 0.1


@pytest.mark.process
@pytest.mark.parametrize(
    ("algorithm", "settings"),
    [
        ("tpe", {"gamma": "0.2", "prior_weight": "1.5", "n_EI_candidates": "30", "random_state": "7"}),
        ("multivariate-tpe", {"n_startup_trials": "3", "n_ei_candidates": "30", "random_state": "7"}),
        ("cmaes", {"sigma": "0.3", "random_state": "7"}),
        ("bayesianoptimization", {"n_initial_points": "4", "random_state": "7"}),
        ("random", {"random_state": "7"}),
    ],
)
def test_katibs_settings_change_the_suggestions(algorithm: str, settings: dict[str, str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with_settings = suggested(spec(algorithm, settings=settings), 8)
    assert with_settings != suggested(spec(algorithm), 8)


def test_failed_trials_do_not_stop_the_suggestions() -> None:
    suggester = Suggester(spec("multivariate-tpe"))
    for number in range(14):
        assert suggester.ask() is not None
        suggester.tell_failed(number)


@pytest.mark.parametrize("algorithm", SAMPLERS)
def test_earlier_suggestions_are_kept_whatever_would_be_suggested_now(algorithm: str) -> None:
    other = suggested(spec(algorithm, seed=1), 6)
    suggester = Suggester(spec(algorithm), dict(enumerate(other)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for number in range(10):
            suggestion = suggester.ask()
            assert suggestion is not None
            assert (suggestion.params == other[number]) if number < 6 else (suggestion.params.keys() == other[0].keys())
            suggester.tell(number, [0.5 + number / 100], is_complete=True)


def test_a_grid_gives_every_point_once() -> None:
    suggester = Suggester(spec("grid"))
    points = []
    while (suggestion := suggester.ask()) is not None:
        points.append(tuple(suggestion.params.items()))
    assert len(set(points)) == len(points) == 3 * 3 * 4 * 5 * 2


def test_a_trial_without_a_value_counts_as_the_worst_for_samplers_that_know_only_values() -> None:
    suggester = Suggester(spec("bayesianoptimization"))
    for number, values in enumerate([[0.5], [0.2], []]):
        suggester.ask()
        suggester.tell(number, values, is_complete=bool(values))
    assert [trial.value for trial in suggester._study.trials] == [0.5, 0.2, 0.2]
