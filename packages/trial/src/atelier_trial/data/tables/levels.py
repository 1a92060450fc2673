"""Levels that are frequent enough to be learnt; the others are one level, that of unseen words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from atelier_store.columns import FIRST_LEVEL, UNSEEN
from atelier_store.records import Column

from atelier_trial.data.raw import Array, InColumns, few

RARE = 5
"""A level with fewer training rows is joined into unseen, which a network so learns to answer for."""

MOST = 1000
"""Levels of one category; the most frequent ones are kept."""


def join_rare(columns: Sequence[Column], parts: Sequence[InColumns]) -> tuple[tuple[Column, ...], tuple[str, ...]]:
    """The columns with the levels that are kept, and a note of those that are not.

    parts are features (N, F) of the training rows, whose levels count, and of others; their level numbers are changed.
    """
    kept, rare, beyond = [], [], []
    for place, column in enumerate(columns):
        if column.kind != "category":
            kept.append(column)
            continue
        numbers = parts[0].column(place)[:, 0].astype(np.int64)
        counts = np.bincount(numbers, minlength=FIRST_LEVEL + len(column.levels))
        enough, frequent = _frequent(counts[FIRST_LEVEL:])
        number = np.full(len(counts), UNSEEN, np.float32)
        number[:FIRST_LEVEL] = np.arange(FIRST_LEVEL)
        number[FIRST_LEVEL + frequent] = FIRST_LEVEL + np.arange(len(frequent))
        for part in parts:
            part.relevel(place, number)
        kept.append(column.model_copy(update={"levels": tuple(column.levels[index] for index in frequent.tolist())}))
        if len(enough) < len(column.levels):
            rare.append(f"{len(column.levels) - len(enough):,} of {column.name}")
        if len(frequent) < len(enough):
            beyond.append(f"{len(enough) - len(frequent):,} of {column.name}")
    notes = []
    if rare:
        notes.append(f"levels in fewer than {RARE} training rows count as unseen: {few(rare, 10)}")
    if beyond:
        notes.append(f"levels beyond the {MOST:,} most frequent count as unseen: {few(beyond, 10)}")
    return tuple(kept), tuple(notes)


def _frequent(counts: Array) -> tuple[Array, Array]:
    """The levels that are in enough rows, and those of them that are kept; each in their order."""
    enough = np.flatnonzero(counts >= RARE)
    by_count = enough[np.argsort(-counts[enough], kind="stable")]
    return enough, np.sort(by_count[:MOST])
