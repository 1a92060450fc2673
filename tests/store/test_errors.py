"""The error of input that cannot be used."""

from atelier_store.errors import LONGEST, InvalidInput


def test_a_violation_keeps_its_beginning_and_its_end_however_long_what_it_names_is() -> None:
    cell = "x" * 1_000_000
    (violation,) = InvalidInput([f"t.csv, line 2: {cell!r}; allowed: numbers"]).violations
    assert violation.startswith("t.csv, line 2: 'xxx") and violation.endswith("xxx'; allowed: numbers")
    assert len(violation) < 1.01 * LONGEST and " … " in violation
    assert InvalidInput(["short"]).violations == ["short"]


def test_a_violation_is_one_line_that_a_terminal_shows_as_it_is() -> None:
    said = InvalidInput(["no column 'y'; allowed: a\nb, \x1b[31mc, d\u200b, é, \udce9"]).violations
    assert said == ["no column 'y'; allowed: a\\nb, \\x1b[31mc, d\\u200b, é, \\udce9"]
