"""What a search learns from is said before it starts: shape, classes, counts, and what was left out."""

import io
from typing import Any

import numpy as np
import pytest
from atelier_cli.show.data import DataReport, data_lines, report, tables
from atelier_store.records import Column
from atelier_trial.data import Arrays, Parts, Prepared, split
from rich.console import Console


def prepared(**fields: Any) -> Prepared:
    usual: dict[str, Any] = {"kind": "rows", "task": "classification", "shape": (4,), "labels": ("no", "yes")}
    return Prepared(digest="", train_rows=5, test_rows=2, source="csv a.csv", **(usual | fields))


def split_of(y: np.ndarray) -> Parts:
    """A fifth of the rows is for validation."""
    training, validation = split(y, 0.2, 0)
    return Parts(training, ((training, validation),))


def held(y: np.ndarray) -> tuple[Arrays, Parts]:
    """Arrays with these targets, no two of whose rows are the same, of which the last is for validation."""
    x = np.arange(4 * len(y) + 8, dtype=np.float32).reshape(-1, 4)
    numbers = np.arange(len(y))
    return Arrays(x[:-2], y, x[-2:], y[:2]), Parts(numbers[:-1], ((numbers[:-1], numbers[-1:]),))


@pytest.mark.parametrize(
    ("fields", "y", "line"),
    [
        ({}, [0, 1, 1, 1, 1], "rows of 4 features; 2 classes: no (1), yes (4)"),
        ({"kind": "images", "shape": (28, 30)}, [0, 1], "pictures of 28 x 30 pixels; 2 classes: no (1), yes (1)"),
        (
            {"kind": "images", "shape": (28, 30, 3)},
            [0, 1],
            "pictures of 28 x 30 pixels in 3 channels; 2 classes: no (1), yes (1)",
        ),
        (
            {"kind": "signals", "shape": (1000, 12)},
            [0, 1],
            "series of 1,000 steps in 12 channels; 2 classes: no (1), yes (1)",
        ),
        (
            {"task": "regression", "labels": None, "target_name": "price"},
            [[0.5], [1234567.0]],
            "rows of 4 features; price from 0.5 to 1.23457e+06",
        ),
        (
            {"labels": tuple(map(str, range(20)))},
            [*range(20), 3],
            "rows of 4 features; 20 classes: 0 (1), 1 (1), 2 (1), …, 19 (1); 1 to 2 each",
        ),
    ],
)
def test_shape_and_targets_are_one_line(fields: dict[str, Any], y: list[int] | list[list[float]], line: str) -> None:
    assert list(data_lines(prepared(**fields), *held(np.array(y)))) == [line]


def test_what_was_left_out_follows() -> None:
    lines = list(data_lines(prepared(notes=("a: left out: b",)), *held(np.array([0, 1]))))
    assert lines[1:] == ["a: left out: b"]


def test_rows_that_are_in_two_parts_are_counted_and_said_before_a_search() -> None:
    arrays, parts = held(np.arange(10) % 2)
    arrays.train_x[9] = arrays.train_x[3]
    arrays.test_x[0] = arrays.train_x[9]

    found = report(prepared(), arrays, parts)

    assert (found.repeats.validation, found.repeats.test) == (1, 1)
    (note,) = found.notes
    assert "1 of 1 validation rows are also training rows; 1 of 2 test rows are also training or validation" in note
    assert list(data_lines(prepared(), arrays, parts))[-1] == note


def test_classes_are_counted_in_each_part_that_a_search_uses() -> None:
    y, test = np.array([0] * 40 + [1] * 10), np.array([1, 1])
    arrays = Arrays(np.zeros((50, 4), np.float32), y, np.ones((2, 4), np.float32), test)
    found = report(prepared(feature_names=("a", "b", "c", "d")), arrays, split_of(y))
    assert [(one.label, one.training, one.validation, one.test) for one in found.classes] == [
        ("no", 32, 8, 0),
        ("yes", 8, 2, 2),
    ]
    assert (found.training, found.validation, found.test) == (40, 10, 2)
    assert [one.name for one in found.features] == ["a", "b", "c", "d"] and not found.targets
    assert {one.distinct for one in found.features} == {1}


def test_names_in_brackets_are_shown_as_they_are() -> None:
    y, x = np.array([0] * 10 + [1] * 10), np.zeros((20, 1), np.float32)
    described = prepared(labels=("[red]", "yes"), shape=(1,), feature_names=("[a]",))
    file = io.StringIO()
    console = Console(file=file, width=100)
    console.print(tables(report(described, Arrays(x, y, x[:2], y[:2]), split_of(y))))
    assert "[red]" in file.getvalue() and "[a]" in file.getvalue()


AGE, PORT, DAY = (
    Column(name="age", kind="number"),
    Column(name="[port]", kind="category", levels=("C", "S")),
    Column(name="day", kind="date"),
)


def table_report() -> DataReport:
    """Of ten rows: ages 0 to 8 and a gap; two ports, a rare one and gaps; two days."""
    x = np.full((10, 7), np.nan, np.float32)
    x[:9, 0] = np.arange(9)
    x[:, 1] = [2, 3, 3, 1, 0, 0, 3, 3, 3, 3]
    x[0, 2:], x[1, 2:] = (2020, 2, 29, 6, 13), (2019, 12, 31, 2, 0)
    described = prepared(shape=(7,), columns=(AGE, PORT, DAY), feature_names=("age", "[port]", "day"))
    y = np.arange(10) % 2
    return report(described, Arrays(x, y, x[:2], y[:2]), split_of(y))


def test_each_column_of_a_table_is_described_by_its_kind() -> None:
    age, port, day = table_report().columns
    assert (age.kind, age.gaps, age.min, age.median, age.max, age.distinct) == ("number", 1, 0, 4, 8, 9)
    assert (port.gaps, port.unseen) == (2, 1)
    assert [(level.level, level.rows) for level in port.levels] == [("C", 1), ("S", 6)]
    assert (day.gaps, day.min, day.max) == (8, "2019-12-31 00:00", "2020-02-29 13:00")
    assert not table_report().features


def test_columns_are_shown_to_people_with_what_they_become() -> None:
    file = io.StringIO()
    Console(file=file, width=140).print(tables(table_report()))
    shown = [" ".join(line.split()) for line in file.getvalue().splitlines()]
    assert "csv a.csv: rows of 3 columns (1 numeric, 1 of categories, 1 of dates)" in shown
    assert "age number 10.0% 0 to 8, median 4 scaled; gaps filled and marked" in shown
    assert "[port] category 20.0% S (6), C (1); 1 row rare 2 levels, unseen and missing" in shown
    assert any(
        line.startswith("day date 80.0% 2019-12-31 00:00 to 2020-02-29 13:00 year, month, day,") for line in shown
    )
