"""`metrics.jsonl`: one line per epoch, appended only by the process that holds the trial's lease."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import ValidationError

from atelier_store.files import write_text
from atelier_store.records import Epoch


def append_epoch(path: Path, epoch: Epoch) -> None:
    """Append a line, durably. OSError."""
    with path.open("ab") as file:
        file.write(epoch.model_dump_json().encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())


def read_curve(path: Path) -> list[Epoch]:
    """The whole lines at the beginning that are epochs 1, 2, 3, …; empty if there is no file."""
    try:
        lines = path.read_bytes().split(b"\n")[:-1]
    except FileNotFoundError:
        return []
    curve: list[Epoch] = []
    for line in lines:
        try:
            epoch = Epoch.model_validate_json(line)
        except ValidationError:
            break
        if epoch.epoch != len(curve) + 1:
            break
        curve.append(epoch)
    return curve


def truncate(path: Path, epochs: int) -> None:
    """Keep only the first epochs: one whose line is torn or whose checkpoint is missing is trained again."""
    kept = "".join(epoch.model_dump_json() + "\n" for epoch in read_curve(path)[:epochs])
    if path.exists() and path.read_text(encoding="utf-8", errors="replace") != kept:
        write_text(path, kept)
