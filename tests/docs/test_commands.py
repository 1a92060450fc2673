"""Links lead somewhere, and commands that the pages show or name are understood."""

from __future__ import annotations

import re
import runpy
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from atelier_board import __main__ as board_command
from atelier_cli.__main__ import app
from atelier_server import __main__ as server_command

from tests.support import ROOT
from tests.support.pages import BENCHMARKS, PAGES, anchors, shown_commands, words_of


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_leads_to_a_page_and_a_heading_that_are_there(page: Path) -> None:
    links = re.findall(r"\]\(([^)\s#]*)#?([^)\s]*)\)", page.read_text())
    for target, heading in [link for link in links if "://" not in link[0]]:
        place = page.parent / target if target else page
        assert place.exists(), target
        assert not heading or heading in anchors(place), f"{target}#{heading}"


@pytest.mark.parametrize("line", shown_commands())
def test_a_shown_command_line_is_understood(line: str) -> None:
    words = words_of(line)
    if words[0] == "make":
        assert re.search(rf"^{words[1]}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
    elif words[:5] == ["uv", "run", "python", "-m", "atelier_server"]:
        server_command._parser().parse_args(words[5:])
    elif words[:5] == ["uv", "run", "python", "-m", "atelier_board"]:
        board_command._parser().parse_args(words[5:])
    else:
        assert words[:3] == ["uv", "run", "atelier"]
        understand(words[3:])


def understand(arguments: list[str]) -> None:
    """Parse an `atelier` command line as it would be when it runs; click's UsageError if it is not understood."""
    group: Any = typer.main.get_command(app)
    name, command, rest = group.resolve_command(group.make_context("atelier", [], resilient_parsing=True), arguments)
    command.make_context(name, rest)


def test_a_command_with_an_unknown_option_would_be_noticed() -> None:
    with pytest.raises(Exception, match="No such option"):
        understand(["audit", "--stor", "x"])


def test_every_command_named_in_running_text_is_there() -> None:
    group: Any = typer.main.get_command(app)
    mentioned = {name for page in PAGES for name in re.findall(r"`atelier ([a-z]+)[^`]*`", page.read_text())}
    assert mentioned == set(group.commands)


BENCHMARK_NAMES = sorted(set(re.findall(r"python -m benchmarks\.([\w.]+)", BENCHMARKS.read_text())))


def test_every_benchmark_is_in_its_readme() -> None:
    programs = {file.stem for file in (ROOT / "benchmarks").glob("*.py") if "__main__" in file.read_text()}
    assert programs <= {*BENCHMARK_NAMES}


@pytest.mark.process
@pytest.mark.parametrize("name", BENCHMARK_NAMES)
def test_a_benchmark_says_how_it_is_used(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", [name, "--help"])
    monkeypatch.delitem(sys.modules, f"benchmarks.{name}", raising=False)  # another one may have imported it
    with pytest.raises(SystemExit, match="0"):
        runpy.run_module(f"benchmarks.{name}", run_name="__main__")
    assert capsys.readouterr().out.startswith("usage:")
