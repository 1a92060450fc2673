"""What is known of each search of a store: looked up again while somebody asks, and answered from memory."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from pathlib import Path

from atelier_store import keeping
from atelier_store.curve import read_curve
from atelier_store.index import Index
from atelier_store.layout import ExperimentPaths, Store
from atelier_store.notes import read_all as read_notes
from atelier_store.ranking import entries, standings
from atelier_store.records import Epoch, Note, reasons
from atelier_store.searches import Searched, of_rows
from atelier_store.spec import Spec
from atelier_store.trial_rows import CardRow, TrialRow
from pydantic import ValidationError

EVERY = 2.0
"""Seconds from one look at a search to the next, while it is asked for."""

REST = 10.0
"""Seconds without an epoch, after which a trial was not at work."""


@dataclass(frozen=True)
class Curve:
    """The learning curve of a trial: values of the objective, None where an epoch has none, and seconds of training.

    A value is that of the weights that the trial keeps if it ends there.

    spans are the times when it was at work, from and to, in seconds since 1970.
    """

    values: tuple[float | None, ...] = ()
    seconds: float = 0.0
    spans: tuple[tuple[float, float], ...] = ()

    @property
    def epochs(self) -> int:
        """How many have ended."""
        return len(self.values)


NO_CURVE = Curve()

Ranked = Sequence[tuple[TrialRow, int | None, str | None]]
"""Rows with their ranks, and why they have none."""


@dataclass(frozen=True)
class Look:
    """A search as it was at one moment. number grows with every change; curves and notes are by key.

    problem says what cannot be read of the search itself; spec and summary are then None. has_report: its end left one.
    """

    number: int
    name: str
    spec: Spec | None
    summary: Searched | None
    problem: str | None
    rows: Sequence[TrialRow]
    curves: Mapping[str, Curve]
    notes: Mapping[str, Note]
    has_report: bool

    def curve(self, row: TrialRow) -> Curve:
        """That of a trial; an empty one if it has none."""
        return self.curves.get(row.key or "", NO_CURVE)

    @cached_property
    def ranked(self) -> Ranked:
        """Every trial: by rank, then those without; one that was suggested twice comes once."""
        if self.spec is None:
            return [(row, None, row.damage) for row in self.rows]
        standing = standings(self.spec, self.rows)
        rows = {one.row.trial: one.row for one in standing}
        return [(rows[entry.trial], entry.rank, entry.reason) for entry in entries(self.spec, standing)]


class Watched:
    """One search. The first look is waited for; later ones come in the background, and the next who asks gets them."""

    def __init__(self, store: Store, paths: ExperimentPaths, cache: Path | None = None) -> None:
        self._store, self._paths = store, paths
        self._index = Index(store, paths, cache and cache / f"{paths.folder.name}.json")
        self._lock = threading.Lock()
        self._last: Look | None = None
        self._looked_at = 0.0
        self._known: dict[str, tuple[TrialRow, Curve]] = {}

    def look(self) -> Look:
        """The last look; it is not older than EVERY if somebody asks all the while."""
        if self._last is None:
            with self._lock:
                return self._last or self._refresh()
        if time.monotonic() - self._looked_at > EVERY and self._lock.acquire(blocking=False):
            threading.Thread(target=self._refresh_and_release, daemon=True).start()
        return self._last

    def _refresh_and_release(self) -> None:
        try:
            self._refresh()
        finally:
            self._lock.release()

    def _refresh(self) -> Look:
        now, last = self._read(), self._last
        if last is None or replace(now, number=last.number) != last:
            self._last = last = now
        self._looked_at = time.monotonic()
        return last

    def _read(self) -> Look:
        rows: Sequence[TrialRow] = ()
        notes: Mapping[str, Note] = {}
        spec, summary, problem = None, None, None
        try:
            notes = read_notes(self._store)
            rows = self._index.rows()
            spec, summary = Spec.read(self._paths.spec), of_rows(self._paths, rows)
        except OSError as error:
            problem = f"{error.filename}: {error.strerror}"
        except ValidationError as error:
            problem = f"{self._paths.spec.name}: not a whole {Spec.__name__}: {reasons(error)}"
        except ValueError as error:
            problem = f"{self._paths.spec.name}: {error}"
        number = self._last.number + 1 if self._last else 1
        curves = self._curves(rows, spec)
        has_report = self._paths.report.exists()
        return Look(number, self._paths.folder.name, spec, summary, problem, rows, curves, notes, has_report)

    def _curves(self, rows: Sequence[TrialRow], spec: Spec | None) -> dict[str, Curve]:
        """The curve of each key; of a trial that has ended it is read again only if its row is another."""
        known: dict[str, tuple[TrialRow, Curve]] = {}
        for row in rows:
            if row.key is None or row.key in known:
                continue
            before = self._known.get(row.key)
            has_ended = isinstance(row.card, CardRow) and row.card.status != "running"
            if before is not None and has_ended and before[0] is row:
                known[row.key] = before
            else:
                known[row.key] = row, _curve(self._store, row.key, spec)
        self._known = known
        return {key: curve for key, (_, curve) in known.items()}


def _curve(store: Store, key: str, spec: Spec | None) -> Curve:
    try:
        epochs = read_curve(store.trial(key).metrics)
    except OSError:
        return NO_CURVE
    objective = spec.experiment.objective.objective_metric_name if spec else ""
    measured = [epoch.metrics.get(objective) for epoch in epochs]
    whole = [value for value in measured if value is not None]
    values = keeping.values(spec, whole) if spec and len(whole) == len(measured) else measured
    return Curve(tuple(values), sum(epoch.seconds for epoch in epochs), tuple(_spans(epochs)))


def _spans(epochs: Sequence[Epoch]) -> Iterator[tuple[float, float]]:
    """The times that epochs took one after the other; a longer rest than an epoch, and than REST, ends one."""
    began, last = 0.0, 0.0
    for epoch in epochs:
        try:
            ended = datetime.fromisoformat(epoch.finished_at).timestamp()
        except ValueError:  # no release writes that
            continue
        if ended - epoch.seconds - last > max(REST, epoch.seconds):
            if last:
                yield began, last
            began = ended - epoch.seconds
        last = ended
    if last:
        yield began, last


class Looks:
    """Every search of a store, by name; cache is a folder for their indexes, where they are not in the store."""

    def __init__(self, store: Store, cache: Path | None = None) -> None:
        self.store, self._cache = store, cache
        self._lock = threading.Lock()
        self._watched: dict[str, Watched] = {}

    def all(self) -> list[Look]:
        """A look at each, the one that was active last first."""
        looks = [self._of(paths).look() for paths in self.store.experiments() if paths.spec.exists()]
        return sorted(looks, key=lambda look: look.summary.last_active if look.summary else "", reverse=True)

    def of(self, name: str) -> Look | None:
        """A look at the search of this name; None if there is none."""
        found = next((paths for paths in self.store.experiments() if paths.folder.name == name), None)
        return self._of(found).look() if found else None

    def _of(self, paths: ExperimentPaths) -> Watched:
        with self._lock:
            return self._watched.setdefault(paths.folder.name, Watched(self.store, paths, self._cache))
