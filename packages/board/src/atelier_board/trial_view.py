"""One trial as the page shows it: everything that its folder says, and what of it cannot be read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from atelier_store import lease
from atelier_store.curve import read_curve
from atelier_store.errors import InvalidInput
from atelier_store.files import TEMPORARY
from atelier_store.layout import Store, TrialPaths
from atelier_store.records import Card, Epoch, Manifest, TrialConfig
from atelier_store.trial_rows import TrialRow

from atelier_board import promoted
from atelier_board.damage import read
from atelier_board.looks import Look
from atelier_board.search_view import in_short, status_of

TAIL = 32 * 1024
"""Bytes of a log that are shown, the last ones."""


def whole(store: Store, look: Look, name: str, others: list[Look]) -> dict[str, Any] | None:
    """The trial of this name; None if the search has none. problems names each file that cannot be read, and why."""
    row = next((row for row in look.rows if row.trial == name), None)
    if row is None:
        return None
    rank, reason = _rank(look, row)
    problems = [row.damage] if row.damage else []
    found: dict[str, Any] = {
        "search": {key: in_short(look)[key] for key in ("name", "objective", "state")},
        "trial": row.trial,
        "number": row.number,
        "key": row.key,
        "parameters": row.parameters,
        "rank": rank,
        "reason": reason,
        "note": _note(look, row),
        "status": status_of(row, reason),
        "curve": [],
        "files": [],
        "card": None,
        "config": None,
        "manifest": None,
        "network": None,
        "log": "",
        "at_work": None,
        "shared_with": [],
        "promoted": None,
        "messages": _messages(store, look, row, problems),
    }
    if row.key is not None:
        paths = store.trial(row.key)
        card, config = (
            read(Card, paths.card, problems),
            read(TrialConfig, paths.config, problems),
        )
        manifest = read(Manifest, paths.bundle.manifest, problems)
        holder = lease.holder(paths.lease)
        found |= {
            "curve": [epoch.model_dump(mode="json") for epoch in _curve(paths, problems)],
            "files": list(_files(paths, card.files if card else {})),
            "card": card and card.model_dump(mode="json", exclude={"files"}),
            "config": config and config.model_dump(mode="json"),
            "manifest": manifest
            and manifest.model_dump(
                mode="json", include={"architecture", "metrics", "parity", "latency", "provenance"}
            ),
            "network": manifest and network(manifest),
            "log": _tail(paths.log, problems),
            "at_work": str(holder) if holder else None,
            "promoted": promoted.of_trial(store, row.key, problems),
            "shared_with": [
                {"search": other.name, "trial": one.trial}
                for other in others
                for one in other.rows
                if one.key == row.key and (other.name, one.trial) != (look.name, row.trial)
            ],
        }
    return found | {"problems": problems}


def _note(look: Look, row: TrialRow) -> dict[str, Any] | None:
    note = look.notes.get(row.key or "")
    return note.model_dump(mode="json", include={"starred", "text", "written_at"}) if note else None


def network(manifest: Manifest) -> dict[str, Any]:
    """What a drawing of the network needs; of columns only that they are there."""
    told = manifest.model_dump(mode="json", include={"kind", "task", "inputs", "outputs", "labels", "config"})
    return told | {"columns": [column.name for column in manifest.columns] if manifest.columns else None}


def _rank(look: Look, row: TrialRow) -> tuple[int | None, str | None]:
    found = next(((rank, reason) for one, rank, reason in look.ranked if one.trial == row.trial), None)
    if found is None:
        first = next(one for one in look.rows if one.key == row.key)
        return None, f"{first.trial} is the same trial, and was suggested first"
    return found


def _curve(paths: TrialPaths, problems: list[str]) -> list[Epoch]:
    try:
        epochs = read_curve(paths.metrics)
        lines = paths.metrics.read_bytes().count(b"\n") if epochs else 0
    except OSError as error:
        problems.append(f"{paths.metrics.name}: cannot be read: {error.strerror}")
        return []
    if lines > len(epochs):
        problems.append(
            f"{paths.metrics.name}: line {len(epochs) + 1} is not as it was written; what follows is not shown"
        )
    return epochs


def _files(paths: TrialPaths, digests: dict[str, str]) -> Iterator[dict[str, Any]]:
    """The files of the trial's folder, and those that its card names, with the digests that the card has for them."""
    there = {path.relative_to(paths.folder).as_posix(): path for path in paths.folder.rglob("*") if path.is_file()}
    for name in sorted({*there, *digests}):
        if Path(name).name.startswith(TEMPORARY):
            continue
        try:
            size = there[name].stat().st_size if name in there else None
        except OSError:
            size = None
        yield {"name": name, "bytes": size, "sha256": digests.get(name)}


def _messages(store: Store, look: Look, row: TrialRow, problems: list[str]) -> str:
    try:
        return _tail(store.experiment(look.name).messages(row.trial), problems)
    except InvalidInput:  # no engine gives a trial such a name
        return ""


def _tail(path: Path, problems: list[str]) -> str:
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - TAIL))
            return file.read().decode(errors="replace")
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except OSError as error:
        problems.append(f"{path.name}: cannot be read: {error.strerror}")
        return ""
