"""What a trial reads of the others before it goes on."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from atelier_store.layout import ExperimentPaths
from atelier_store.records import RungValue
from atelier_trial.target import rung_values


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
