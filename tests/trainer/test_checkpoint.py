"""A checkpoint is whole or not there, and what the disk says is what is raised."""

import resource
import sys
from pathlib import Path

import pytest
import torch
from atelier_trainer import checkpoint


def test_a_checkpoint_that_does_not_fit_raises_what_the_disk_says_and_leaves_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # what is imported meanwhile would be cut off, and kept
    path = tmp_path / "last.ckpt"
    checkpoint.save(path, {"epoch": 1})
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8192, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            checkpoint.save(path, {"epoch": 2, "weights": torch.zeros(100_000)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert checkpoint.load(path, torch.device("cpu")) == {"epoch": 1}
    assert [one.name for one in tmp_path.iterdir()] == [path.name]
