"""Every decision has a date and a state, is listed under its title, and points at what replaces it."""

from __future__ import annotations

import datetime
import re
from pathlib import Path

import pytest

from tests.support import ROOT
from tests.support.pages import first

FOLDER = ROOT / "docs" / "adr"
PAGES = sorted(FOLDER.glob("[0-9]*.md"))


def status(page: Path) -> str:
    return " ".join(first(r"^- Status: (.+(?:\n  .+)*)$", page.read_text()).split())


def replaced_by(page: Path) -> list[str]:
    return re.findall(r"superseded by \[\d+\]\(([^)]+)\)", status(page))


def test_the_list_of_decisions_has_each_under_its_title() -> None:
    listed = re.findall(r"^(\d+)\. \[(.+)\]\((.+)\)$", (FOLDER / "README.md").read_text(), re.MULTILINE)
    assert [name for _, _, name in listed] == [page.name for page in PAGES]
    for number, title, name in listed:
        assert (FOLDER / name).read_text().startswith(f"# {number}. {title}\n")
        assert int(name[:4]) == int(number)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_decision_has_a_date_and_a_state(page: Path) -> None:
    head = re.match(
        r"# \d+\. .+\n\n- Date: (\S+)\n- Status: (proposed|accepted|superseded)\b.*(?:\n  .+)*\n\n", page.read_text()
    )
    assert head and datetime.date.fromisoformat(head[1])
    if head[2] == "superseded":
        assert replaced_by(page)


def test_decisions_are_dated_in_their_order() -> None:
    dates = [first(r"^- Date: (\S+)$", page.read_text()) for page in PAGES]
    assert dates == sorted(dates)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_decision_and_the_one_that_replaces_it_point_at_each_other(page: Path) -> None:
    for name in replaced_by(page):
        assert re.search(rf"supersedes .*\({re.escape(page.name)}\)", status(FOLDER / name))
    for name in re.findall(r"supersedes .*?\(([^)]+)\)", status(page)):
        assert page.name in replaced_by(FOLDER / name)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_decision_and_the_one_that_amends_it_point_at_each_other(page: Path) -> None:
    said = status(page)
    for name in re.findall(r"amended by \[\d+\]\(([^)]+)\)", said):
        assert re.search(rf"amends [^;]*\({re.escape(page.name)}\)", status(FOLDER / name))
    for name in re.findall(r"\(([^)]+)\)", "".join(re.findall("amends [^;]*", said))):
        assert f"]({page.name})" in status(FOLDER / name).partition("amended by")[2]
    assert not re.search(r"amended by \d|amends decision", said), "a link says which"
