"""What a trial reads of the others before it goes on."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
from atelier_store.layout import ExperimentPaths, Store
from atelier_store.records import Epoch, RungValue, TrialConfig
from atelier_store.spec import Spec
from atelier_trial.request import Request
from atelier_trial.target import Target, rung_values


def test_a_value_on_a_rung_that_was_altered_is_left_out_and_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rung = ExperimentPaths(tmp_path).rung(3)
    for key, value in (("a", 0.5), ("b", 0.75), ("c", 0.25)):
        RungValue(key=key, value=value).write(rung / f"{key}.json")
    altered = rung / "b.json"
    altered.write_bytes(altered.read_bytes().replace(b"0.75", b"0.85"))
    (rung / "d.json").write_bytes(b"")
    with caplog.at_level(logging.WARNING):
        assert rung_values(ExperimentPaths(tmp_path), 3) == {"a": 0.5, "c": 0.25}
    assert [str(path) in message for path, message in zip((altered, rung / "d.json"), caplog.messages, strict=True)]
    assert "its sha256 is not that of its content" in caplog.messages[0]


def test_a_rung_that_nobody_has_reached_holds_nothing(tmp_path: Path) -> None:
    assert rung_values(ExperimentPaths(tmp_path), 3) == {}


def target(folder: Path, resumed_at: int = 0, algorithm: str = "atelier") -> Target:
    """Of a trial of 27 epochs with rungs at 3 and 9, which nobody else has reached."""
    search: dict[str, Any] = {"name": "a", "parameters": [], "maxTrialCount": 1, "maxFailedTrialCount": 0}
    search["algorithm"] = {"algorithmName": algorithm}
    trainer = {"data": {"source": "sklearn", "name": "digits"}, "maxEpochs": 27}
    spec = Spec.model_validate({"experiment": search, "trainer": trainer})
    request = Request(spec, Store(folder), "t", {}, resumed_at=resumed_at)
    digests = {"data_digest": "d", "network_digest": "n"}
    config = TrialConfig(params={}, validation_fraction=0.2, recipe_version=1, seed=0, **digests)
    return Target.of(request, Store(folder).experiment("a"), config)


def test_a_trial_that_goes_on_is_asked_at_no_rung_up_to_the_one_where_it_paused(tmp_path: Path) -> None:
    assert target(tmp_path).end([0.5] * 9) == (3, "paused")
    assert target(tmp_path, resumed_at=3).end([0.5] * 3) is None
    assert target(tmp_path, resumed_at=3).end([0.5] * 9) == (9, "paused")
    assert target(tmp_path, resumed_at=9).end([0.5] * 27) == (27, "succeeded")


def printed(of: Target, epochs: int, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """What a trial prints of a curve."""
    values = [1 / (epoch + 2) for epoch in range(1, epochs + 1)]
    curve = enumerate(({"val_accuracy": value} for value in values), 1)
    of.print_again(of.lines(), [Epoch(epoch=e, metrics=m, seconds=1, finished_at="then") for e, m in curve])
    return [line.partition(" ")[2] for line in capsys.readouterr().out.splitlines()]


def test_a_trial_of_our_algorithm_prints_its_exact_value_wherever_it_may_end(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = printed(target(tmp_path, resumed_at=3), 9, capsys)
    assert lines[2:4] == ["val_accuracy=0.2", "val_accuracy_at_3=0.2"], "also below the rung where it goes on"
    assert lines[-2:] == ["val_accuracy=0.0909091", f"val_accuracy_at_9={1 / 11!r}"]
    assert len(lines) == 11
    assert all("_at_" not in line for line in printed(target(tmp_path, algorithm="tpe"), 9, capsys))
