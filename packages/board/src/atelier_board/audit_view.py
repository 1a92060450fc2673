"""What an audit of the store tells without hashing: who promoted what by which rule, reads of test rows, replays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from atelier_store import pointer, promotions, ranking
from atelier_store.layout import ModelPaths, Store, TrialPaths
from atelier_store.records import Replay

from atelier_board.damage import attempt, read
from atelier_board.looks import Look


def whole(store: Store, looks: Sequence[Look]) -> dict[str, Any]:
    """The store's promotions, readings of test rows and replays, the last ones first; problems names what is damaged.

    rules has for each search by what its trials are ranked.
    """
    problems: list[str] = []
    models = store.models()
    return {
        "searches": [look.name for look in looks],
        "rules": {look.name: ranking.rule(look.spec) for look in looks if look.spec},
        "moves": _last_first([one for paths in models for one in _moves(paths, problems)], "promoted_at"),
        "readings": _last_first([one for paths in models for one in _readings(paths, looks, problems)], "read_at"),
        "replays": _last_first(list(_replays(store, looks, problems)), "replayed_at"),
        "problems": list(dict.fromkeys(problems)),
    }


def _last_first(rows: list[dict[str, Any]], time: str) -> list[dict[str, Any]]:
    return sorted(rows, key=lambda row: str(row[time]), reverse=True)


def _moves(paths: ModelPaths, problems: list[str]) -> Iterator[dict[str, Any]]:
    for line in attempt(lambda: pointer.lines(paths), (), problems):
        yield line.model_dump(mode="json", exclude={"schema_version"}) | {"model": paths.name}


def _readings(paths: ModelPaths, looks: Sequence[Look], problems: list[str]) -> Iterator[dict[str, Any]]:
    for look in looks:
        model = attempt(partial(promotions.of_search, paths, look.name), None, problems)
        for reading in promotions.readings(model, look.name) if model else ():
            yield reading.model_dump(mode="json") | {"search": look.name}


def _replays(store: Store, looks: Sequence[Look], problems: list[str]) -> Iterator[dict[str, Any]]:
    of_key = {row.key: (look.name, row.trial) for look in reversed(looks) for row in look.rows if row.key}
    for path in store.root.glob("trials/*/replays/[!.]*.json"):
        paths = TrialPaths(path.parents[1])
        replay = read(Replay, path, problems, with_folder=True)
        if replay is not None:
            search, trial = of_key.get(paths.key, (None, None))
            told = replay.model_dump(mode="json", include={"epochs", "tensors", "different", "replayed_at"})
            yield told | {"key": paths.key, "search": search, "trial": trial, "cpu": replay.environment.cpu}
