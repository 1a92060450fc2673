"""The code of one's own that docs/data.md and docs/networks.md show is trained with, from where a pod finds it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from atelier_store.curve import read_curve
from atelier_store.records import Manifest

from tests.support.pages import named
from tests.support.workplace import Workplace, profile

pytestmark = pytest.mark.process


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workplace:
    """A place for a trial, and every shown module in another folder, as a ConfigMap of `trainer.modules` brings it."""
    modules = tmp_path / "modules"
    modules.mkdir()
    for name, text in named("python").items():
        (modules / name).write_text(text)
    monkeypatch.setenv("ATELIER_MODULES", str(modules))
    (tmp_path / "work").mkdir()
    return Workplace(tmp_path / "work")


def test_the_loss_and_the_metric_that_are_shown(work: Workplace) -> None:
    x = np.random.default_rng(0).normal(size=(120, 3)).astype(np.float32)
    np.savez(work.folder / "train.npz", x=x, y=(x[:, 0] > 0).astype(np.int64))
    data = {"source": "npz", "files": {"train": {"path": "train.npz"}}}
    objective = {"objective": {"type": "minimize", "objectiveMetricName": "val_cost"}}

    own = {"loss": "mylosses:focal", "metrics": {"cost": "prices:cost"}}
    end = work.run(profile(2, data, objective, **own), "stem_width=4", "stage1_width=4", "batch=16")

    assert end.code == 0, end.err
    assert [line.split()[1].partition("=")[0] for line in end.out.splitlines()] == ["val_cost"] * 2
    losses = [epoch.metrics["train_loss"] for epoch in read_curve(work.trial.metrics)]
    assert 0 < losses[1] < losses[0] < 0.5  # cross-entropy would begin at log 2, which the factor makes a quarter of


def test_the_data_and_the_network_that_are_shown(work: Workplace, folder: Path) -> None:
    data: dict[str, Any] = {"source": "mydata:rent_by_size", "task": "regression"}
    data["files"] = {"flats": {"path": str(folder / "data" / "flats.csv")}}
    objective = {"objective": {"type": "minimize", "objectiveMetricName": "val_rmse"}}

    end = work.run(profile(1, data, objective, network="mynets:mlp"), "hidden=16", "layers=1", "skip=true")

    assert end.code == 0, end.err
    manifest = Manifest.read(work.trial.bundle.manifest)
    assert manifest.feature_names and "rent" not in manifest.feature_names
    assert manifest.config.params["hidden"] == 16
