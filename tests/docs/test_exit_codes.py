"""The documentation's table of exit codes is the code's."""

from atelier_store.exit_codes import MEANINGS, ExitCode

from tests.support import ROOT

ROWS = [f"| {code} | `{program}` | {meaning} |" for code, by in MEANINGS.items() for program, meaning in by.items()]


def test_every_code_has_a_meaning() -> None:
    assert list(MEANINGS) == list(ExitCode)
    assert len(set(ExitCode)) == len(MEANINGS)


def test_the_table_says_what_the_code_says() -> None:
    section = (ROOT / "docs/troubleshooting.md").read_text().partition("## Exit codes")[2]
    assert [line for line in section.splitlines() if line.startswith("| ") and line[2].isdigit()] == ROWS
