"""Folds: every row is validated with once, and never by a network that has learnt from it or its like."""

from __future__ import annotations

import numpy as np
import pytest
from atelier_store.folds import folds
from atelier_store.spec import SplitBy
from atelier_trial.data import parts
from hypothesis import given
from hypothesis import strategies as st

from tests.trial.place import Place

COUNTS = st.integers(2, 5)
SEEDS = st.integers(0, 9)
PLAIN: list[SplitBy | None] = [None, "random"]


@given(st.lists(st.integers(0, 2), min_size=10, max_size=60), COUNTS, SEEDS, st.sampled_from(PLAIN))
def test_each_row_is_validated_with_once_by_a_network_that_has_not_learnt_from_it(
    targets: list[int], count: int, seed: int, by: SplitBy | None
) -> None:
    found = folds(np.array(targets), count, seed, by)

    assert np.sort(np.concatenate([validation for _, validation in found])).tolist() == list(range(len(targets)))
    for learnt, validation in found:
        assert np.sort(np.concatenate([learnt, validation])).tolist() == list(range(len(targets)))
    sizes = [len(validation) for _, validation in found]
    assert max(sizes) - min(sizes) <= 1


@given(st.lists(st.integers(5, 20), min_size=2, max_size=4), COUNTS, SEEDS)
def test_each_class_is_in_each_fold_in_its_share(counts: list[int], count: int, seed: int) -> None:
    targets = np.repeat(np.arange(len(counts)), counts)

    for _, validation in folds(targets, count, seed):
        held = np.bincount(targets[validation], minlength=len(counts))
        assert all(number // count <= of <= -(-number // count) for number, of in zip(counts, held, strict=True))


@given(st.lists(st.integers(0, 20), min_size=30, max_size=80), COUNTS, SEEDS)
def test_no_group_is_on_both_sides_of_a_fold_and_no_fold_is_empty(ranks: list[int], count: int, seed: int) -> None:
    order = np.unique([*ranks, *range(100, 105)], return_inverse=True)[1]

    found = folds(np.zeros(len(order)), count, seed, "group", order)

    for learnt, validation in found:
        assert len(validation) and not set(order[learnt]) & set(order[validation])
    assert sum(len(validation) for _, validation in found) == len(order)


@given(st.lists(st.integers(0, 20), min_size=30, max_size=80), COUNTS)
def test_no_fold_learns_from_what_was_not_before_its_validation(ranks: list[int], count: int) -> None:
    order = np.unique([*ranks, *range(100, 106)], return_inverse=True)[1]

    found = folds(np.zeros(len(order)), count, 0, "time", order)

    assert len(found) == count
    for (learnt, validation), later in zip(found, [*(of for of, _ in found[1:]), None], strict=True):
        assert order[learnt].max() < order[validation].min()
        assert later is None or later.tolist() == np.sort(np.concatenate([learnt, validation])).tolist()
    assert found[-1][1].max() == np.flatnonzero(order == order.max()).max()


def test_times_are_parted_into_about_equal_stretches() -> None:
    sizes = [len(validation) for _, validation in folds(np.zeros(600), 5, 0, "time", np.repeat(np.arange(60), 10))]

    assert sizes == [100] * 5


def test_folds_follow_from_the_seed() -> None:
    targets = np.arange(60) % 3
    once, again, other = ([v.tolist() for _, v in folds(targets, 3, seed)] for seed in (0, 0, 1))

    assert once == again != other


def test_a_search_with_folds_learns_from_all_training_rows_and_prepares_nothing_anew(place: Place) -> None:
    description, arrays = place.arrays("sklearn", name="wine")

    found = parts(arrays, description, 0.2, 3, 0)

    assert place.prepare("sklearn", name="wine", folds=3).digest == description.digest
    assert found.training.tolist() == list(range(description.train_rows))
    assert len(found.splits) == 3 and found.validated == description.train_rows


@pytest.mark.parametrize(
    ("split", "rows", "said"),
    [
        (None, "a,1,no\nb,2,yes\n" * 5, "class 'no' has 4 examples, class 'yes' has 4 examples; at least 5 are needed"),
        ({"by": "group", "column": "g"}, "a,1,no\nb,2,yes\nc,3,no\n" * 9, "'g' has 2 different values; at least 5"),
        (
            {"by": "time", "column": "t"},
            "a,1,no\na,2,yes\nb,3,no\n" * 9,
            "'t' has 2 different values; at least 6",
        ),
        ({"by": "random"}, "a,1,no\nb,2,yes\n" * 5, "there are 8 examples; at least 10 are needed"),
    ],
)
def test_too_few_for_the_folds_is_refused_with_how_many_there_are(
    place: Place, split: dict[str, str] | None, rows: str, said: str
) -> None:
    data = place.table("g,t,y\n" + rows, columns={"g": "category", "t": "number"}, split=split)

    (violation,) = place.refused("table", **data, folds=5)

    assert violation.startswith("trainer.data.folds: 5: in the training rows of table t.csv, ") and said in violation
