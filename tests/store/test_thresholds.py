"""A threshold is the best that its rule allows on the validation rows, and gives the label wherever there is one."""

from __future__ import annotations

import numpy as np
import pytest
from atelier_store.records import Threshold
from atelier_store.scores import label_scores
from atelier_store.spec import Spec, Trainer
from atelier_store.thresholds import NoThreshold, at, chosen, classes, labels
from hypothesis import assume, given
from hypothesis import strategies as st
from sklearn import metrics

ROWS = st.lists(st.tuples(st.integers(0, 20), st.booleans()), min_size=2, max_size=40)
RULES = ["f1", "balanced_accuracy", "recall>=0.7", "precision>=0.7"]


def parts(rows: list[tuple[int, bool]]) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities, many of them equal, and whether each row is of the class; both sides have rows."""
    is_of = np.array([one for _, one in rows])
    assume(0 < is_of.sum() < len(is_of))
    return np.array([twentieths / 20 for twentieths, _ in rows], np.float32), is_of


def scores_of(is_of: np.ndarray, labelled: np.ndarray) -> dict[str, float]:
    return {
        "accuracy": metrics.accuracy_score(is_of, labelled),
        "balanced_accuracy": metrics.balanced_accuracy_score(is_of, labelled),
        "f1": metrics.f1_score(is_of, labelled, zero_division=0),
        "precision": metrics.precision_score(is_of, labelled, zero_division=0),
        "recall": metrics.recall_score(is_of, labelled, zero_division=0),
    }


@given(ROWS, st.sampled_from(RULES))
def test_no_other_threshold_does_better_by_the_rule(rows: list[tuple[int, bool]], rule: str) -> None:
    probabilities, is_of = parts(rows)
    every = [scores_of(is_of, probabilities >= one) for one in np.unique(probabilities)]
    name, _, least = rule.partition(">=")
    best = {"recall": "precision", "precision": "recall"}.get(name, name)
    possible = [one[best] for one in every if not least or one[name] >= float(least) - 1e-9]
    if not possible:
        with pytest.raises(NoThreshold, match=f"highest {name} of class 'sick'"):
            chosen(rule, "sick", probabilities, is_of)
        return
    found = chosen(rule, "sick", probabilities, is_of)
    assert found.metrics[best] == pytest.approx(max(possible))
    assert found.metrics == pytest.approx(scores_of(is_of, probabilities >= np.float64(found.value)))
    assert (found.label, found.rule) == ("sick", rule)


def test_a_threshold_lies_between_two_probabilities_and_has_few_digits() -> None:
    probabilities = np.array([0.123456789, 0.2345678, 0.7891234, 0.81234])
    assert chosen("f1", "sick", probabilities, np.array([False, False, True, True])).value == 0.5


def test_a_number_is_taken_as_it_is() -> None:
    found = chosen(0.3, "sick", np.array([0.2, 0.3]), np.array([False, True]))
    assert (found.value, found.rule, found.metrics["accuracy"]) == (0.3, "0.3", 1.0)


@pytest.mark.parametrize(("is_of", "words"), [(False, "no validation row"), (True, "every validation row")])
def test_rows_of_one_class_have_no_threshold(is_of: bool, words: str) -> None:
    with pytest.raises(NoThreshold, match=f"{words} is of class 'sick'"):
        chosen("f1", "sick", np.array([0.2, 0.3]), np.full(2, is_of))


def test_the_scores_of_other_rows_are_of_the_same_threshold() -> None:
    threshold = Threshold(label="sick", value=0.25, rule="f1", metrics={})
    probabilities, is_of = np.array([0.1, 0.3, 0.2]), np.array([False, True, True])
    assert at(threshold, probabilities, is_of).metrics == label_scores(is_of, np.array([False, True, False]))


def test_a_threshold_that_float32_cannot_hold_is_not_rounded() -> None:
    below, above = np.float32(0.3), np.nextafter(np.float32(0.3), np.float32(1))
    threshold = Threshold(label="sick", value=(float(below) + float(above)) / 2, rule="f1", metrics={})
    probabilities = np.array([[1 - below, below], [1 - above, above]], np.float32)
    assert classes(probabilities, [threshold]).tolist() == [0, 1]


def test_each_label_has_its_own_threshold_and_a_row_any_number_of_labels() -> None:
    limits = [Threshold(label=name, value=value, rule="f1", metrics={}) for name, value in (("a", 0.2), ("b", 0.9))]
    probabilities = np.array([[0.3, 0.95], [0.1, 0.6], [0.2, 0.5]])
    assert labels(probabilities, limits).tolist() == [[True, True], [False, False], [True, False]]
    assert labels(probabilities, None).tolist() == [[False, True], [False, True], [False, True]]


def test_without_a_threshold_the_likeliest_class_is_the_label() -> None:
    assert classes(np.array([[0.2, 0.5, 0.3], [0.5, 0.5, 0.0]]), None).tolist() == [1, 0]


@pytest.mark.parametrize(
    ("given", "read"), [("f1", "f1"), (0.25, 0.25), ("0.25", 0.25), ("recall>=0.9", "recall>=0.9")]
)
def test_a_rule_is_a_word_or_a_number_however_it_is_written(given: str | float, read: str | float) -> None:
    trainer = {"data": {"source": "sklearn", "name": "iris"}, "max_epochs": 1}
    assert Trainer.model_validate(trainer | {"threshold": given}).threshold == read


def test_another_rule_is_no_other_search() -> None:
    of = {"experiment": {"name": "a", "parameters": [], "maxTrialCount": 1, "maxFailedTrialCount": 0}}
    trainer = {"data": {"source": "sklearn", "name": "iris"}, "maxEpochs": 1}
    rules = [trainer | {"threshold": rule} for rule in (None, "f1", 0.3)]
    names = {Spec.model_validate(of | {"trainer": one}).experiment_name for one in rules}
    assert len(names) == 1


@pytest.mark.parametrize("given", ["f2", "recall>=0", "recall>=1.1", "precision>0.5", 0, 1, "1.5"])
def test_no_other_rule_is_one(given: str | float) -> None:
    trainer = {"data": {"source": "sklearn", "name": "iris"}, "max_epochs": 1}
    with pytest.raises(ValueError, match="threshold"):
        Trainer.model_validate(trainer | {"threshold": given})
