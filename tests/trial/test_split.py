"""Which rows are for training, validation and testing, where the profile says how they are parted."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from atelier_trial.data import load, parts, split
from hypothesis import given
from hypothesis import strategies as st

from tests.trial.place import Place

RANKS = st.lists(st.integers(0, 5), min_size=4, max_size=60).filter(lambda ranks: len(set(ranks)) > 1)


@given(RANKS, st.floats(0.05, 0.9), st.integers(0, 9))
def test_no_group_is_in_both_parts_and_neither_part_is_empty(ranks: list[int], fraction: float, seed: int) -> None:
    order = np.array(ranks)

    larger, smaller = split(np.zeros(len(order), np.int64), fraction, seed, by="group", order=order)

    assert not set(order[larger]) & set(order[smaller])
    assert len(larger) and len(smaller) and len(larger) + len(smaller) == len(order)


@given(RANKS, st.floats(0.05, 0.9))
def test_no_row_for_testing_is_earlier_than_one_for_training(ranks: list[int], fraction: float) -> None:
    order = np.array(ranks)

    larger, smaller = split(np.zeros(len(order), np.int64), fraction, 0, by="time", order=order)

    assert order[larger].max() < order[smaller].min()


def test_a_group_split_has_about_the_share_that_was_asked_for() -> None:
    order = np.repeat(np.arange(100), 10)

    _, smaller = split(np.zeros(1000, np.int64), 0.2, 0, by="group", order=order)

    assert len(smaller) == 200


def test_random_takes_no_notice_of_classes() -> None:
    classes = np.array([0] * 40 + [1] * 4)
    shares = {int(classes[split(classes, 0.25, seed, by="random")[1]].sum()) for seed in range(30)}

    assert len(shares) > 1
    assert {int(classes[split(classes, 0.25, seed)[1]].sum()) for seed in range(30)} == {1}


def visits(place: Place, by: str, **columns: str) -> dict[str, Any]:
    """Twelve patients who came ten times each, on one day after the other."""
    lines = ["patient,day,pulse,ill"]
    for visit in range(120):
        patient, day = f"p{visit % 12}", f"2026-{1 + visit // 28:02}-{1 + visit % 28:02}"
        lines.append(f"{patient},{day},{60 + visit % 37},{'yes' if visit % 3 else 'no'}")
    (place.folder / "visits.csv").write_text("\n".join(lines) + "\n")
    split = {"by": by, "column": "patient" if by == "group" else "day"}
    return {
        "files": {"train": {"path": "visits.csv"}},
        "target": "ill",
        "split": split,
        "columns": columns or None,
    }


def test_every_patient_of_a_table_is_in_one_part_and_the_column_is_not_learnt_from(place: Place) -> None:
    description, arrays = place.arrays("table", **visits(place, "group"))

    ((training, validation),) = parts(arrays, description, 0.2, None, 0).splits

    assert description.feature_names == ("day", "pulse")
    assert arrays.train_order is not None
    assert not set(arrays.train_order[training]) & set(arrays.train_order[validation])
    assert description.test_rows % 10 == 0 and len(validation) % 10 == 0


def test_the_latest_days_are_the_test_and_the_days_before_them_the_validation(place: Place) -> None:
    description, arrays = place.arrays("table", **visits(place, "time"))
    assert description.columns is not None and description.columns[1].name == "day"

    ((training, validation),) = parts(arrays, description, 0.2, None, 0).splits

    days = [part[:, 1:4] @ np.array([10000, 100, 1]) for part in (arrays.train_x, arrays.test_x)]
    assert days[0][training].max() < days[0][validation].min()
    assert days[0].max() < days[1].min()
    assert len(days[1]) == 24


def test_a_time_that_is_not_to_be_learnt_from_still_splits(place: Place) -> None:
    description, arrays = place.arrays("table", **visits(place, "time", day="drop"))

    assert description.feature_names == ("patient", "pulse")
    assert arrays.train_order is not None and (np.diff(arrays.train_order) >= 0).all()


def test_data_that_are_split_otherwise_are_other_data(place: Place) -> None:
    digests = {place.prepare("table", **visits(place, by)).digest for by in ("group", "time")}
    plain = visits(place, "group") | {"split": None}

    assert place.prepare("table", **plain).digest not in digests
    assert len(digests) == 2


def test_split_data_are_found_again(place: Place) -> None:
    description = place.prepare("table", **visits(place, "group"))
    changed = place.store.data(description.digest).description.stat().st_mtime_ns

    again = place.prepare("table", **visits(place, "group"))

    assert again == description
    assert place.store.data(description.digest).description.stat().st_mtime_ns == changed
    assert load(place.store, again).train_order is not None


@pytest.mark.parametrize(
    ("by", "column", "text", "said"),
    [
        (
            "group",
            "absent",
            None,
            "visits.csv has no column 'absent'; allowed: patient, day",
        ),
        ("group", "ill", None, "trainer.data.split.column: 'ill' is the target"),
        ("time", "patient", None, "column 'patient', which splits the rows by time: words; allowed: dates, numbers"),
        ("group", "patient", ("p11,", ","), "column 'patient', which splits the rows, has 10 gaps: line 13"),
    ],
)
def test_a_column_that_cannot_split_is_refused(
    place: Place, by: str, column: str, text: tuple[str, str] | None, said: str
) -> None:
    data = visits(place, by) | {"split": {"by": by, "column": column}}
    if text:
        file = place.folder / "visits.csv"
        file.write_text(file.read_text().replace(*text))

    assert said in "\n".join(place.refused("table", **data))


def test_too_few_groups_are_refused_with_their_number(place: Place) -> None:
    data = visits(place, "group")
    file = place.folder / "visits.csv"
    file.write_text("\n".join(line for line in file.read_text().splitlines() if line[:3] in ("pat", "p1,", "p3,")))

    assert (
        "'patient' has 2 different values in these rows; at least 3 are needed (training, validation, test)"
        in (place.refused("table", **data)[0])
    )


def test_a_time_that_is_dropped_need_not_be_in_the_test_file(place: Place) -> None:
    data = visits(place, "time", day="drop")
    lines = (place.folder / "visits.csv").read_text().splitlines()
    (place.folder / "later.csv").write_text("\n".join(line.replace(line.split(",")[1] + ",", "") for line in lines))

    description = place.prepare("table", **data | {"files": data["files"] | {"test": {"path": "later.csv"}}})

    assert (description.train_rows, description.test_rows) == (120, 120)
