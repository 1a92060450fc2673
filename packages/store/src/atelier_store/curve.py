"""`metrics.jsonl`: one line per epoch, appended only by the process that holds the trial's lease."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import ValidationError

from atelier_store import sealed
from atelier_store.files import named_in_errors, write_bytes
from atelier_store.records import Epoch


def append_epoch(path: Path, epoch: Epoch) -> None:
    """Append a line, durably. OSError."""
    with path.open("a+b") as file, named_in_errors(path):
        file.seek(0)
        file.write(sealed.line(epoch.model_dump_json(), before=file.read()))
        file.flush()
        os.fsync(file.fileno())


def read_curve(path: Path) -> list[Epoch]:
    """The whole lines at the beginning that are epochs 1, 2, 3, … as they were written; empty if there is no file."""
    return [epoch for epoch, _ in _whole(path)]


def truncate(path: Path, epochs: int) -> None:
    """Keep only the first epochs: one whose line is torn or whose checkpoint is missing is trained again."""
    kept = b"".join(text for _, text in _whole(path)[:epochs])
    if path.exists() and path.read_bytes() != kept:
        write_bytes(path, kept)


def _whole(path: Path) -> list[tuple[Epoch, bytes]]:
    """The epochs at the beginning, and their lines."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return []
    curve: list[tuple[Epoch, bytes]] = []
    for line in sealed.read_lines(content[: content.rfind(b"\n") + 1]):
        try:
            epoch = Epoch.model_validate_json(line.json)
        except ValidationError:
            break
        if line.is_altered or epoch.epoch != len(curve) + 1:
            break
        curve.append((epoch, line.text))
    return curve
