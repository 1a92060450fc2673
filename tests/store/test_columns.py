import datetime

import numpy as np
import pytest
from atelier_store import columns
from atelier_store.records import Column
from hypothesis import given
from hypothesis import strategies as st

from tests.support.table_features import features

AGE, SEX, JOINED = (
    Column(name="age", kind="number"),
    Column(name="sex", kind="category", levels=("female", "male")),
    Column(name="joined", kind="date"),
)
NUMBERS = st.floats(width=32, allow_infinity=False)
HOURS = st.datetimes(datetime.datetime(1, 1, 1), datetime.datetime(9999, 12, 31)).map(
    lambda date: date.replace(minute=0, second=0, microsecond=0)
)


def seconds(date: datetime.datetime) -> float:
    return date.replace(tzinfo=datetime.UTC).timestamp()


def test_a_gap_an_unseen_word_and_a_level_have_numbers_of_their_own() -> None:
    words = np.array(["", "diverse", "female", "male"])

    assert features({"sex": words}, [SEX])[:, 0].tolist() == [0, 1, 2, 3]


@given(HOURS)
def test_a_date_becomes_what_a_calendar_says(date: datetime.datetime) -> None:
    [found] = columns.date_features(np.array([seconds(date)])).tolist()

    assert found == [date.year, date.month, date.day, date.isoweekday(), date.hour]


@given(st.lists(st.tuples(NUMBERS, st.sampled_from([0, 1, 2, 3]), st.none() | HOURS), min_size=1))
def test_inputs_give_back_the_features_that_they_were_made_of(
    rows: list[tuple[float, int, datetime.datetime | None]],
) -> None:
    dates = columns.date_features(np.array([np.nan if date is None else seconds(date) for _, _, date in rows]))
    table = np.column_stack([[row[0] for row in rows], [row[1] for row in rows], dates]).astype(np.float32)

    again = features(columns.inputs(table, [AGE, SEX, JOINED]), [AGE, SEX, JOINED])

    np.testing.assert_array_equal(again, table)


def test_numbers_alone_are_one_input() -> None:
    two = [AGE, Column(name="height", kind="number")]
    rows = np.array([[1, np.nan]], np.float32)

    assert [(one.name, one.datatype, one.shape) for one in columns.tensors(two)] == [("input", "FP32", (-1, 2))]
    np.testing.assert_array_equal(columns.inputs(rows, two)["input"], rows)


def test_every_column_is_an_input_of_its_own_where_there_are_words_or_dates() -> None:
    found = [(one.name, one.datatype, one.shape) for one in columns.tensors([AGE, SEX, JOINED])]

    assert found == [("age", "FP32", (-1, 1)), ("sex", "BYTES", (-1, 1)), ("joined", "FP64", (-1, 1))]


@pytest.mark.parametrize(
    ("value", "spelt"),
    [
        (True, "true"),
        ("True", "true"),
        (3, "3"),
        (3.0, "3"),
        ("3.0", "3"),
        ("007", "007"),
        (2.5, "2.5"),
        (" a b ", "a b"),
        ("e\u0301", "é"),
        ("", ""),
        ("1e3", "1e3"),
    ],
)
def test_one_value_of_a_category_has_one_spelling(value: str | float, spelt: str) -> None:
    assert columns.level(value) == spelt


@pytest.mark.parametrize("names", [("input",), ("input", "sex"), ("sex",)])
def test_reference_inputs_are_kept_without_objects_and_come_back(names: tuple[str, ...]) -> None:
    given = {name: np.array([["a"], [""], ["é"]], dtype=object) for name in names}

    kept = columns.reference(given)
    again = columns.referred(kept, names)

    assert all(array.dtype.kind == "U" for array in kept.values())
    assert list(again) == list(names)
    assert all(again[name].tolist() == given[name].tolist() for name in names)
