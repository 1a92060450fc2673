"""The leaderboard as it is printed."""

from __future__ import annotations

from io import StringIO

from atelier_cli.show.leaderboard import leaderboard
from atelier_store.records import BaselineScore, Leaderboard, LeaderboardEntry
from rich.console import Console


def printed(*baselines: BaselineScore) -> str:
    board = Leaderboard(
        experiment="e", objective_metric_name="val_rmse", entries=(), baselines=baselines, written_at=""
    )
    console = Console(file=StringIO(), width=100)
    console.print(leaderboard(board))
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def test_the_front_of_several_objectives_is_shown_whole_with_their_values() -> None:
    entries = [
        LeaderboardEntry(
            rank=rank, trial=f"trial-{rank}", key="k", status="paused", metric=0.9, epochs=3, params=10, macs=10,
            latency_p50_ms=1.0, architecture="", reason=None,
            objectives={"val_accuracy": 0.9, "params": 10, "onnxBytes": 71234}, on_front=rank in (1, 12),
        )
        for rank in range(1, 13)
    ]  # fmt: skip
    board = Leaderboard(experiment="e", objective_metric_name="val_accuracy", entries=tuple(entries), written_at="")
    console = Console(file=StringIO(), width=100)
    console.print(leaderboard(board))
    assert isinstance(console.file, StringIO)
    text = console.file.getvalue()
    assert "e by val_accuracy, params, onnxBytes" in text
    assert "71,234" in text and "and 1 more" in text
    assert [line.split()[1] for line in text.splitlines() if line.rstrip().endswith("front")] == ["trial-1", "trial-12"]


def test_what_there_is_to_beat_stands_below_the_trials_in_one_line() -> None:
    trees, mean = BaselineScore(name="hist_gradient_boosting", metric=2.5), BaselineScore(name="mean", metric=31.25)
    assert "to beat: hist_gradient_boosting 2.5000, mean 31.2500\n" in printed(trees, mean)
    assert "to beat" not in printed()
