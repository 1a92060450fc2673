"""Numbers in messages read as people say them."""

from __future__ import annotations

from atelier_store.in_words import counted, duration


def test_a_count_has_its_noun_in_the_singular_or_plural() -> None:
    assert [counted(count, "row") for count in (0, 1, 2, 1_200)] == ["0 rows", "1 row", "2 rows", "1,200 rows"]
    plurals = {"search": "searches", "class": "classes", "batch": "batches", "epoch": "epochs"}
    assert {noun: counted(2, noun) for noun in plurals} == {noun: f"2 {many}" for noun, many in plurals.items()}


def test_a_duration_is_said_in_its_two_largest_units() -> None:
    assert [duration(seconds) for seconds in (0.4, 59, 60, 3599, 3720)] == [
        "0 s",
        "59 s",
        "1 min 0 s",
        "59 min 59 s",
        "1 h 2 min",
    ]
