"""The index of an experiment: a row for each of its trials, of which only those that have changed are read again.

A look lists the trials and asks the file system about the files of each row. If they are those that the row was read
from, the row stays; else the trial is read anew. So a look shows what reading everything shows, as far as the file
system tells: on NFS, what another machine wrote appears when the caches of names and attributes expire.

The rows stay in memory, and in a file that other processes begin with. The file is a cache: whoever looks may replace
it, anybody may delete it, and where it cannot be written there is none. It is not believed if its digest is not that of
its content, or another release wrote it.

Files of a store are replaced by a rename, and not changed in place, so another time or inode tells another file. But a
file system keeps times in steps, and may give the next file the inode of the one that it replaces. So a row stays only
if its files had not changed for SETTLED when they were read (git's index does the same: Documentation/technical/
racy-git.txt). And one with a damaged file is read again at every look, for what failed may have been the reading.
"""

from __future__ import annotations

import contextlib
import gc
import os
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from operator import attrgetter
from pathlib import Path

from atelier_store import index_file
from atelier_store.index_file import Entry
from atelier_store.layout import ExperimentPaths, Store, TrialPaths
from atelier_store.trial_rows import TrialRow, read_record, row_of

SETTLED = 10.0
"""Seconds; more than a step of a file system's times (FAT has 2), and than the clocks of machines are apart."""

WORTH_WRITING = 200
"""Rows that have to be new for the file to be written. To read fewer takes no longer than a glance."""

Identity = tuple[int, int, int, int]
"""Of a file: times of modification and of change in nanoseconds, size, inode."""

_IDENTITY = attrgetter("st_mtime_ns", "st_ctime_ns", "st_size", "st_ino")

MISSING: Identity = (0, 0, 0, 0)

_CARD, _MANIFEST = str(TrialPaths(Path()).card), str(TrialPaths(Path()).bundle.manifest)
"""Below the folder of a trial."""


class Index:
    """The rows of an experiment, for many looks by any thread. file is where they are kept, if not in the store."""

    def __init__(self, store: Store, experiment: ExperimentPaths, file: Path | None = None) -> None:
        self._store, self._experiment, self._file = store, experiment, file or experiment.index
        self._lock = threading.Lock()
        self._entries: dict[str, Entry] | None = None
        self._written: dict[str, Entry] = {}

    def rows(self) -> list[TrialRow]:
        """Every trial as it is now: in the order of suggestion, then those whose record is damaged. OSError."""
        with self._lock, _uncollected():
            if self._entries is None:
                self._entries = self._written = index_file.read(self._file)
            self._entries = dict(_looked(self._store, self._experiment, self._entries))
            self._keep({name: entry for name, entry in self._entries.items() if entry.is_settled})
            return _in_order(self._entries.values())

    def _keep(self, settled: dict[str, Entry]) -> None:
        """Replace the file if that is worth it and possible."""
        new = sum(self._written.get(name) is not entry for name, entry in settled.items())
        if new < WORTH_WRITING:
            return
        with contextlib.suppress(OSError):  # a store may be read-only, or full
            index_file.write(self._file, settled)
        self._written = settled


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without the garbage collector, which would search the rows, none of them garbage, again and again meanwhile."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def read_rows(store: Store, experiment: ExperimentPaths) -> list[TrialRow]:
    """The rows as an index has them, all read now, for what is decided by them. OSError."""
    return _in_order(entry for _, entry in _looked(store, experiment, known={}))


def _in_order(entries: Iterable[Entry]) -> list[TrialRow]:
    rows = [entry.row for entry in entries]
    return sorted(rows, key=lambda row: (row.damage is not None, row.number is None, row.number or 0, row.trial))


def _looked(store: Store, experiment: ExperimentPaths, known: Mapping[str, Entry]) -> Iterator[tuple[str, Entry]]:
    """The entries of all trials by the names of their records: those that are known, where they hold still."""
    settled_before = time.time_ns() - int(SETTLED * 1e9)
    with _opened(experiment.trials) as records, _opened(store.trial("").folder) as trials:
        for name in _names(records):
            before = known.get(name)
            if (
                before is not None
                and before.is_settled
                and before.files == _files(records, trials, name, before.row.key)
            ):
                yield name, before
                continue
            entry = _read(store, experiment.trials / name, records, trials, settled_before)
            if entry is not None:
                yield name, entry


def _read(store: Store, path: Path, records: int | None, trials: int | None, settled_before: int) -> Entry | None:
    """The entry of one trial, its files asked about before they are read: one replaced in between is read again."""
    record_file = _identity(path.name, records)
    record = read_record(store, path)
    if record is None:
        return None
    files = record_file + _of_trial(trials, None if isinstance(record, str) else record.key)
    row = row_of(store, path, record, record_file[0] / 1e9)
    holds_still = max(files[1::4]) < settled_before
    return Entry(row, files, holds_still and not row.is_damaged)


def _files(records: int | None, trials: int | None, name: str, key: str | None) -> tuple[int, ...]:
    return _identity(name, records) + _of_trial(trials, key)


def _of_trial(trials: int | None, key: str | None) -> tuple[int, ...]:
    if key is None:
        return MISSING + MISSING
    return _identity(f"{key}/{_CARD}", trials) + _identity(f"{key}/{_MANIFEST}", trials)


def _identity(name: str, folder: int | None) -> Identity:
    if folder is None:
        return MISSING
    try:
        found: Identity = _IDENTITY(os.stat(name, dir_fd=folder))
    except OSError:
        return MISSING
    return found


@contextmanager
def _opened(folder: Path) -> Iterator[int | None]:
    """The folder's descriptor, from which names are found faster; None if there is no folder."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except (FileNotFoundError, NotADirectoryError):
        yield None
        return
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _names(records: int | None) -> list[str]:
    names = os.listdir(records) if records is not None else []  # noqa: PTH208  # of a descriptor
    return [name for name in names if name.endswith(".json") and not name.startswith(".")]
