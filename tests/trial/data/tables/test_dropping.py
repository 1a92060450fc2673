"""Columns that nothing can be learnt from, or that tell the target, are left out by name; the profile may keep them."""

from __future__ import annotations

import pytest
from atelier_trial.data.tables.levels import MOST, RARE

from tests.trial.place import Place


def beside(column: list[str]) -> str:
    """A table of this column x and a number."""
    rows = enumerate(column)
    return "x,n,y\n" + "".join(f"{cell},{row % 7},{'yes' if row * 7 % 3 else 'no'}\n" for row, cell in rows)


ROWS = range(30)


@pytest.mark.parametrize(
    ("column", "reason"),
    [
        (["", "NA"] * 15, "is empty"),
        (["same"] * 30, "is 'same' in every row"),
        ([str(row) for row in ROWS], "numbers the rows"),
        ([str(row + 1) for row in ROWS], "numbers the rows"),
        ([f"w{row}" for row in ROWS], "has 30 different words, of which none is in more than 1 row"),
        (
            [f"{row}.5 %" for row in ROWS],
            "has 30 different words, of which none is in more than 1 row (they would be numbers without '%'; "
            "write them so, for the network to know their order)",
        ),
        ([str(int(row * 7 % 3 > 0)) for row in ROWS], "tells the target: each of its values goes with one value of it"),
        (["ft"[row * 7 % 3 > 0] for row in ROWS], "tells the target: each of its values goes with one value of it"),
    ],
)
def test_a_column_is_left_out_with_a_note_that_says_why(place: Place, column: list[str], reason: str) -> None:
    described = place.prepare("table", **place.table(beside(column)))
    assert described.feature_names == ("n",)
    assert described.notes == (f"column 'x' is left out: it {reason}",)


@pytest.mark.parametrize(
    "column",
    [
        ["same", ""] * 15,
        [str(row + 1949) for row in ROWS],
        [str(row * row) for row in ROWS],
        ["abc"[row % 3] for row in ROWS],
    ],
)
def test_a_column_that_may_be_learnt_from_is_kept(place: Place, column: list[str]) -> None:
    assert place.prepare("table", **place.table(beside(column))).feature_names == ("x", "n")


def test_the_profile_keeps_a_column_that_looks_like_a_number_of_the_row(place: Place) -> None:
    assert list(place.columns(beside([str(row) for row in ROWS]), columns={"x": "number"})) == ["x", "n"]


def test_a_column_whose_name_is_an_identifiers_is_warned_of(place: Place) -> None:
    text = beside([str(row * 37 % 101) for row in ROWS]).replace("x,", "customer_id,", 1)
    described = place.prepare("table", **place.table(text))
    assert described.feature_names == ("customer_id", "n")
    assert described.notes[0].startswith("column 'customer_id' looks like an identifier: its numbers all differ")


@pytest.mark.parametrize(("cell", "unit"), [("${}.50", "$"), ("{} kg", "kg"), ("{}%", "%"), ("-{},5€", "€")])
def test_numbers_with_a_unit_are_words_that_are_warned_of(place: Place, cell: str, unit: str) -> None:
    quoted = [f'"{cell.format(row % 3)}"' for row in ROWS]
    (note,) = place.prepare("table", **place.table(beside(quoted))).notes
    assert note.startswith(f"column 'x' is taken for words: they would be numbers without '{unit}'; write them so")


@pytest.mark.parametrize("cells", [["C85", "C12", "B3"], ["1st", "2nd", "3rd"], ["5 kg", "7 m"], ["3 to 4", "5"]])
def test_other_words_with_digits_are_words(place: Place, cells: list[str]) -> None:
    assert place.prepare("table", **place.table(beside([cells[row % len(cells)] for row in ROWS]))).notes == ()


def test_a_target_of_numbers_is_found_in_another_column(place: Place) -> None:
    text = "x,n,y\n" + "".join(f"{row * 1.5},{row % 7},{row * 3}\n" for row in range(30))
    described = place.prepare("table", **place.table(text), task="regression")
    assert described.feature_names == ("n",)


def test_rare_levels_are_joined_into_unseen(place: Place) -> None:
    column = ["often"] * 60 + ["b", "c"] * 2 + ["again"] * 60
    described, arrays = place.arrays("table", **place.table(beside(column)))
    assert (described.columns or ())[0].levels == ("again", "often")
    assert described.notes == (f"levels in fewer than {RARE} training rows count as unseen: 2 of x",)
    assert 1 <= (arrays.train_x[:, 0] == 1).sum() <= 4


def test_the_most_frequent_levels_are_kept_up_to_a_bound(place: Place) -> None:
    column = [f"w{row % (MOST + 50)}" for row in range((MOST + 50) * 12)] + ["w7"] * 20
    described, arrays = place.arrays("table", **place.table(beside(column)))
    levels = (described.columns or ())[0].levels
    assert len(levels) == MOST and list(levels) == sorted(levels) and "w7" in levels
    assert arrays.train_x[:, 0].max() == MOST + 1
    assert described.notes[-1].startswith(f"levels beyond the {MOST:,} most frequent count as unseen: ")


def test_levels_have_the_same_order_whatever_the_rows(place: Place) -> None:
    column = ["b", "10", "a", "9"] * 20
    one = place.columns(beside(column))["x"]
    other = place.columns(beside(column[::-1]))["x"]
    assert one == other and one.levels == ("10", "9", "a", "b")
