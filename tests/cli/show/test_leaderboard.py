"""The leaderboard as it is printed."""

from __future__ import annotations

from io import StringIO

from atelier_cli.show.leaderboard import leaderboard
from atelier_store.records import BaselineScore, Leaderboard
from rich.console import Console


def printed(*baselines: BaselineScore) -> str:
    board = Leaderboard(
        experiment="e", objective_metric_name="val_rmse", entries=(), baselines=baselines, written_at=""
    )
    console = Console(file=StringIO(), width=100)
    console.print(leaderboard(board))
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def test_what_there_is_to_beat_stands_below_the_trials_in_one_line() -> None:
    trees, mean = BaselineScore(name="hist_gradient_boosting", metric=2.5), BaselineScore(name="mean", metric=31.25)
    assert "to beat: hist_gradient_boosting 2.5000, mean 31.2500\n" in printed(trees, mean)
    assert "to beat" not in printed()
