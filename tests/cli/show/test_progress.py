"""How a search is shown: in a terminal live and clean at the end, elsewhere as plain lines."""

import os
import pty
import re
import subprocess
from io import StringIO
from pathlib import Path

import pytest
from atelier_cli.profile import load
from atelier_cli.search.engine import Totals
from atelier_cli.search.schedule import Result
from atelier_cli.show.progress import SearchDisplay, sparkline
from rich.console import Console

from tests.support.searches import Searches, environment


def shown(searches: Searches, width: int, totals: Totals) -> tuple[SearchDisplay, Console]:
    console = Console(file=StringIO(), width=width, soft_wrap=True)
    return SearchDisplay(load(searches.profile, []).spec, totals, console), console


def written(console: Console) -> list[str]:
    assert isinstance(console.file, StringIO)
    return console.file.getvalue().splitlines()


@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_picture_fits_its_terminal_and_says_how_far_it_is(searches: Searches, width: int) -> None:
    display, console = shown(searches, width, Totals(trials=4, reused=1))
    display.started("trial-0000", 0)
    for epoch, value in enumerate([0.5, 0.7, 0.6], 1):
        display.epoch("trial-0000", epoch, value)
    display.ended("trial-0000", Result("paused", (0.5, 0.7, 0.6)), 3, None)
    display.started("trial-0001", 0)
    display.epoch("trial-0001", 1, 0.25)
    display.started("tail-0123456789abcdef", 5)
    display.under_way("trial-0001", "epoch 2: 240 of 900 batches, 27%, about 2 min 45 s left")
    display.under_way("tail-0123456789abcdef", "epoch 1: 1 of 2 batches, 50%, about 9 s left")
    display.epoch("tail-0123456789abcdef", 1, 0.5)
    console.file = StringIO()
    console.print(display._picture())
    lines = written(console)
    assert max(map(len, lines)) <= width
    assert re.search(r"━╸? +\d+% +about \d+ s left", lines[0])
    assert lines[1] == "trials 4 of 5, 1 found trained; best 0.6000 (trial-0000)"
    assert lines[2] == "epochs 4 spent, 2 saved by stopping early"
    assert [line.split()[:2] for line in lines[3:5]] == [["trial-0001", "new"], ["tail-0123456…", "tail"]]
    assert "trial-0001: epoch 2: 240 of 900 batches, 27%, about 2 min 45 s left".startswith(lines[5].rstrip("…"))
    assert len(lines) == 6


def test_a_trial_that_ends_leaves_a_line_with_its_value_or_its_reason(searches: Searches) -> None:
    display, console = shown(searches, 80, Totals())
    for name, result, reason in (
        ("trial-0000", Result("paused", (0.5, 0.7)), None),
        ("trial-0001", Result("failed"), "RuntimeError: no"),
        ("trial-0002", Result("succeeded", (0.5, 0.6)), None),
    ):
        display.started(name, 0)
        display.ended(name, result, 2, reason)
    display.ended("trial-0003", Result("succeeded", (0.9,)), 0, None)  # the store answered
    lines = [line.split() for line in written(console)]
    assert lines == [
        ["trial-0000", "paused", "epoch", "2", "val_accuracy", "0.7000", "best", "so", "far"],
        ["trial-0001", "failed", "RuntimeError:", "no"],
        ["trial-0002", "succeeded", "epoch", "2", "val_accuracy", "0.6000"],
    ]


def test_best_so_far_is_said_only_of_a_value_that_is(searches: Searches) -> None:
    display, console = shown(searches, 80, Totals())
    for name, values in (("trial-0000", (0.85,)), ("trial-0001", (0.9,)), ("trial-0001", (0.9, 0.87))):
        display.started(name, 0)
        display.ended(name, Result("paused", values), 1, None)
    display.ended("trial-0002", Result("succeeded", (0.95,)), 0, None)  # the store answered
    display.ended("trial-0003", Result("succeeded", (0.95,)), 1, None)
    lines = written(console)
    assert ["best so far" in line for line in lines] == [True, True, False, False]


@pytest.mark.process
def test_a_terminal_shows_progress_and_is_left_clean(searches: Searches, copied: Path) -> None:
    ours, theirs = pty.openpty()
    command = searches.command("search", copied, "--set", "experiment.maxTrialCount=6")
    process = subprocess.Popen(
        command,
        stdout=theirs,
        stderr=theirs,
        stdin=theirs,
        env=environment() | {"TERM": "xterm", "COLUMNS": "80"},
        start_new_session=True,
    )
    os.close(theirs)
    printed = b""
    try:
        while part := os.read(ours, 65536):
            printed += part
    except OSError:
        pass  # the terminal's other end is closed
    os.close(ours)
    assert process.wait() == 0
    text = printed.decode()
    assert "trials 6 of 6" in text and "━" in text
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")  # the cursor is shown again
    after = text[text.rindex("\x1b[?25h") :]
    assert "6 trials in" in after and "by val_accuracy" in after and "━" not in after


def test_a_curve_is_a_row_of_blocks() -> None:
    assert sparkline([]) == ""
    assert sparkline([0.5]) == "▁"
    assert sparkline([0, 1, 0.5]) == "▁█▅"
    assert len(sparkline(list(map(float, range(100))))) == 30
