"""Who goes on at a rung: the best third, ties in a trial's favour; an end never depends on what comes later."""

from atelier_store.halving import bar, end_of_run, passes, rungs, to_resume
from atelier_store.spec import EarlyStopping, Objective
from hypothesis import given
from hypothesis import strategies as st

objectives = st.sampled_from([Objective(), Objective(type="minimize", objective_metric_name="val_loss")])
numbers = st.floats(-10, 10)
curves = st.lists(numbers, max_size=12)
bars = st.dictionaries(st.integers(1, 12), st.none() | numbers, max_size=4)


def settings(**given: float) -> EarlyStopping:
    return EarlyStopping(algorithm_settings=tuple({"name": name, "value": str(value)} for name, value in given.items()))


def test_rungs_are_powers_of_eta_below_the_end() -> None:
    assert rungs(EarlyStopping(), 27) == [3, 9]
    assert rungs(EarlyStopping(), 28) == [3, 9, 27]
    assert rungs(settings(eta=2, min_epochs=4), 17) == [4, 8, 16]
    assert rungs(EarlyStopping(algorithm_name="none"), 27) == []


@given(st.lists(numbers, max_size=30), numbers, objectives, st.integers(2, 4))
def test_a_trial_passes_exactly_if_it_is_among_the_best_of_all_that_got_there(
    others: list[float], value: float, objective: Objective, eta: int
) -> None:
    better = sum(objective.better(other, value) for other in others)
    assert passes(value, bar(others, objective, eta), objective) == (better < (len(others) + 1) // eta)


@given(st.lists(numbers, min_size=1, max_size=30, unique=True), objectives)
def test_of_all_at_a_rung_a_third_goes_on(values: list[float], objective: Objective) -> None:
    going = [v for i, v in enumerate(values) if passes(v, bar(values[:i] + values[i + 1 :], objective, 3), objective)]
    assert going == [v for v in values if v in sorted(values, key=objective.rank_key)[: len(values) // 3]]


@given(curves, curves, bars, st.integers(1, 12), objectives)
def test_an_end_that_is_reached_stays_where_it_is(
    values: list[float], more: list[float], at: dict[int, float | None], max_epochs: int, objective: Objective
) -> None:
    end = end_of_run(values, at, max_epochs, objective)
    if end is not None:
        assert end[0] <= len(values)
        assert end_of_run(values + more, at, max_epochs, objective) == end


@given(curves, bars, st.integers(1, 12), objectives)
def test_an_end_is_the_first_bar_missed_or_the_last_epoch(
    values: list[float], at: dict[int, float | None], max_epochs: int, objective: Objective
) -> None:
    end = end_of_run(values, at, max_epochs, objective)
    missed = [
        e for e in sorted(at) if e < max_epochs and e <= len(values) and not passes(values[e - 1], at[e], objective)
    ]
    if missed:
        assert end == (missed[0], "paused")
    else:
        assert end == ((max_epochs, "succeeded") if len(values) >= max_epochs else None)


@given(
    st.dictionaries(st.text("abcdefgh", min_size=1, max_size=2), numbers, max_size=20), objectives, st.integers(2, 4)
)
def test_whoever_is_resumed_would_have_passed_the_bar_of_its_rung(
    values: dict[str, float], objective: Objective, eta: int
) -> None:
    key = to_resume({3: values}, dict.fromkeys(values, 3), objective, eta)
    if key is None:
        assert len(values) < eta
    else:
        others = [value for other, value in values.items() if other != key]
        assert passes(values[key], bar(others, objective, eta), objective)
        assert not any(objective.better(other, values[key]) for other in others)


def test_the_best_of_the_highest_rung_that_may_be_resumed_goes_on_first() -> None:
    low = {"a": 0.9, "b": 0.8, "c": 0.7, "d": 0.6, "e": 0.5, "f": 0.4, "g": 0.3, "h": 0.2, "i": 0.1}
    values = {3: low, 9: {"b": 0.95, "a": 0.97, "c": 0.96}}
    assert to_resume(values, {"b": 9, "a": 9, "c": 9}, Objective(), 3) == "a"
    assert to_resume(values, {"b": 9, "c": 3}, Objective(), 3) == "c"
    assert to_resume(values, {"c": 3, "a": 3, "b": 3}, Objective(), 3) == "a"
    assert to_resume(values, {"d": 3, "b": 9}, Objective(), 3) is None
    assert to_resume(values, {}, Objective(), 3) is None
    assert to_resume({}, {"a": 3}, Objective(), 3) is None


def test_of_equal_values_the_first_is_resumed() -> None:
    assert to_resume({3: {"b": 0.5, "a": 0.5, "c": 0.5}}, {"a": 3, "b": 3}, Objective(), 3) == "b"
    assert to_resume({3: {"b": 0.5, "a": 0.5, "c": 0.5}}, {"a": 3}, Objective(), 3) is None


def test_eta_and_the_first_rung_are_3_unless_they_are_set() -> None:
    assert (EarlyStopping().eta, EarlyStopping().min_epochs) == (3, 3)
    assert (settings(eta=4, min_epochs=2).eta, settings(eta=4, min_epochs=2).min_epochs) == (4, 2)
    assert set(EarlyStopping().model_dump()) == {"algorithm_name", "algorithm_settings"}


def test_never_pauses_the_best() -> None:
    assert end_of_run([1.0, 1.0, 1.0], {3: None}, 9, Objective()) == (3, "paused")
