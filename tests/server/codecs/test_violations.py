"""How violations are listed."""

import itertools

import pytest
from atelier_server.codecs.violations import MOST_LISTED, Invalid, token


def test_the_first_three_violations_are_the_message() -> None:
    assert str(Invalid([("#/a", "is missing")])) == "#/a: is missing"
    assert str(Invalid((f"#/{i}", "is wrong") for i in range(5))) == (
        "#/0: is wrong; #/1: is wrong; #/2: is wrong; and 2 more"
    )


def test_endless_violations_are_cut_off_and_that_is_said() -> None:
    invalid = Invalid((f"#/{i}", "is wrong") for i in itertools.count())
    assert len(invalid.violations) == MOST_LISTED + 1
    assert invalid.violations[-1] == ("#", "more than 100 violations; the rest is not listed")


def test_exactly_as_many_as_are_listed_are_not_cut_off() -> None:
    assert Invalid((f"#/{i}", "is wrong") for i in range(MOST_LISTED)).violations[-1] == ("#/99", "is wrong")


@pytest.mark.parametrize(("name", "step"), [("age", "age"), ("a/b", "a~1b"), ("a~b", "a~0b"), ("~1", "~01")])
def test_a_name_is_one_step_of_a_json_pointer(name: str, step: str) -> None:
    assert token(name) == step
