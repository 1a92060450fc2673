"""Prepared arrays of a profile's `trainer.data` in the store: made once, found again by the digest of their source."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from atelier_store.arrays import data_digest, open_arrays, stored_arrays
from atelier_store.files import made_folder, named_in_errors, publish_folder, scratch_folder, write_with
from atelier_store.layout import DataPaths, Store
from atelier_store.lease import Lease
from atelier_store.records import DataDescription, DataSource
from atelier_store.spec import Data, sha256_of
from atelier_store.split import Parts, parts_of, share
from numpy.typing import NDArray

from atelier_trial.data import own_function, sources
from atelier_trial.data.checks import (
    Checked,
    check,
    check_folds,
    check_training_rows,
    check_weights,
    describe,
)
from atelier_trial.data.errors import DataError, gather
from atelier_trial.data.files import Located, Stamp, locate, words_of_size
from atelier_trial.data.progress import Tell
from atelier_trial.data.raw import Array, Readable

log = logging.getLogger("atelier.data")

PREPARATION = 2
"""Incremented whenever the same source would give other arrays, or be refused."""

PARTS = ("validation_fraction", "folds", "test_fraction")
"""Fields of a profile's data that no prepared array depends on, as long as the test set is a file."""

LONG = 50_000_000
"""Bytes; a person is told of a step that handles more."""


class Prepared(DataDescription):
    """Prepared data as one source gives them: its own name, and notes of what was left out of it."""

    notes: tuple[str, ...] = ()


class Arrays(NamedTuple):
    """Prepared arrays, mapped from their files: see `DataDescription` for shapes and types."""

    train_x: NDArray[Any]
    train_y: NDArray[Any]
    test_x: NDArray[Any]
    test_y: NDArray[Any]
    train_order: NDArray[Any] | None = None
    train_weight: NDArray[Any] | None = None
    test_weight: NDArray[Any] | None = None


def prepare(
    data: Data,
    store: Store,
    base: Path,
    downloads: Path | None,
    seed: int,
    progress: Tell = log.info,
    stop: Callable[[], bool] = lambda: False,
) -> Prepared:
    """Make the prepared arrays of data, unless the store has them already or another process is making them.

    base is the folder of relative paths; downloads is the folder of downloaded files, by default the store's; seed
    draws the test set if the source has none. To find prepared arrays, files without a declared sha256 are hashed.
    progress is told each step that may take long. Raises DataError with every violation, and OSError; LeaseHeld if
    stop() becomes true while another process is waited for.
    """
    files = locate(data, base, downloads or store.downloads)
    stamps = {role: file.stamp() for role, file in files.items() if file.url is None}
    known = store.data_sources / f"{sha256_of(_identity(data, files, stamps, seed, progress))}.json"
    found = _found(store, known)
    if found is None:
        with _alone(store, known.with_suffix(".lease"), data, progress, stop):
            found = _found(store, known)  # by whoever was waited for
            if found is None:
                scratch = store.data(known.stem).folder  # what is left in it by a process that was killed is removed
                description, notes = _make(data, store, files, stamps, seed, progress, scratch)
                found = DataSource(digest=description.digest, notes=notes), description
                found[0].write(known)
    record, description = found
    for note in record.notes:
        log.info("%s", note)
    _check_search(data, description, load(store, description), seed)
    return Prepared(**description.model_dump() | {"source": data.words, "notes": record.notes})


def _found(store: Store, known: Path) -> tuple[DataSource, DataDescription] | None:
    """What is known of a source, if the store has all of what it gives."""
    record = DataSource.read_if_whole(known)
    description = _stored(store.data(record.digest)) if record else None
    return None if record is None or description is None else (record, description)


@contextmanager
def _alone(store: Store, lease: Path, data: Data, progress: Tell, stop: Callable[[], bool]) -> Iterator[None]:
    """Be the only one that makes the prepared data of a source. Of data that are refused no folder stays."""
    with (
        made_folder(store.data_sources),
        Lease.acquire(
            lease,
            f"preparation of {data.words}",
            keep_waiting=lambda: not stop(),
            on_wait=lambda holder: progress(f"waiting for {holder}"),
        ),
    ):
        yield


def load(store: Store, description: DataDescription) -> Arrays:
    """The prepared arrays. DataError if they are not what the description says."""
    paths = store.data(description.digest)
    remedy = "delete the folder to have them made again"
    try:
        arrays = Arrays(**open_arrays(paths, description))
    except (OSError, ValueError) as error:
        raise DataError([f"{paths.folder}: prepared data are missing or torn: {error}; {remedy}"]) from error
    train, test = description.train_rows, description.test_rows
    expected = [(train, *description.shape), (train,), (test, *description.shape), (test,)]
    actual = [arrays.train_x.shape, arrays.train_y.shape[:1], arrays.test_x.shape, arrays.test_y.shape[:1]]
    if actual != expected:
        raise DataError([f"{paths.folder}: arrays are not those that {paths.description.name} describes; {remedy}"])
    return arrays


def parts(
    arrays: Arrays, description: DataDescription, validation_fraction: float, folds: int | None, seed: int
) -> Parts:
    """The parts of a search with these arrays: see `parts_of`."""
    given = {name: array for name, array in arrays._asdict().items() if array is not None}
    return parts_of(given, description, validation_fraction, folds, seed)


def _check_search(data: Data, description: DataDescription, arrays: Arrays, seed: int) -> None:
    """DataError unless a search can learn from some of these rows and validate with others."""
    if data.folds is not None:
        check_folds(data, description, arrays.train_y, arrays.train_order)
    elif description.task != "classification" and description.validation_rows is None:
        validation = share(description.train_rows, data.validation_fraction)
        check_training_rows(data.words, description.train_rows, validation)
    if arrays.train_weight is not None:
        of_search = parts(arrays, description, data.validation_fraction, data.folds, seed)
        for number, rows in enumerate(of_search.splits, 1):
            which = "" if data.folds is None else f" of fold {number} of {data.folds}"
            purposes = (f"to learn from{which}", f"to validate with{which}")
            weights = (arrays.train_weight[part] for part in rows)
            check_weights(data, data.words, dict(zip(purposes, weights, strict=True)))


def _identity(
    data: Data,
    files: Mapping[str, Located],
    stamps: Mapping[str, Stamp],
    seed: int,
    progress: Tell,
) -> dict[str, Any]:
    """Everything that the prepared arrays depend on."""
    source = data.model_dump(mode="json", exclude={"files", *PARTS}, exclude_none=True)
    source |= {"preparation": PREPARATION, "files": _contents(files, stamps, progress)}
    if data.function is not None or not {"test", "testImages"} & set(files):  # whose files have any names
        source |= {"test_fraction": data.test_fraction, "seed": seed}
    if data.source == "sklearn":
        source |= {"version": sources.bundled_version()}
    if data.function is not None:
        source |= {"function": own_function.digest(data.function)}
    return source


def _contents(files: Mapping[str, Located], stamps: Mapping[str, Stamp], progress: Tell) -> dict[str, str]:
    for role, stamp in stamps.items():
        if files[role].sha256 is None and stamp.size > LONG:
            progress(f"hashing {files[role].path} ({words_of_size(stamp.size)}) …")
    try:
        return gather(lambda file: file.content(progress), files)
    except DataError:
        gather(Located.fetch, files)  # every file that is missing or has another sha256 than declared, at once
        raise


def _make(
    data: Data,
    store: Store,
    files: Mapping[str, Located],
    stamps: Mapping[str, Stamp],
    seed: int,
    progress: Tell,
    scratch: Path,
) -> tuple[DataDescription, tuple[str, ...]]:
    """The prepared data, and notes of what was left out. stamps are of the files before they were hashed."""
    for role, file in files.items():
        if file.url is not None and not file.here.exists():
            progress(f"downloading {file.path.name} to {file.path.parent} …")
        elif (size := stamps[role].size if role in stamps else file.size) > LONG:
            progress(f"reading {file.here} ({words_of_size(size)}) …")
    if data.function is not None:
        progress(f"calling {data.function} …")
    with scratch_folder(scratch) as folder:
        raw = sources.read(data, gather(lambda file: file.fetch(progress), files), folder, progress)
        _unchanged(files, stamps)
        checked = check(data, raw, seed)
        size = sum(array.nbytes for array in checked.arrays.values())
        if size > LONG:
            progress(f"writing {words_of_size(size)} to {store.data_sources.parent} …")
        written = DataPaths(folder)
        gather(lambda item: _write(*item), {name: (written.array(name), of) for name, of in checked.arrays.items()})
        _unchanged(files, stamps)
        description = describe(data, raw, checked, data.words)
        digest = data_digest(description, stored_arrays(written, description))
        description = description.model_copy(update={"digest": digest})
        return _publish(store.data(digest), description, written, checked), checked.notes


def _unchanged(files: Mapping[str, Located], stamps: Mapping[str, Stamp]) -> None:
    if changed := [files[role] for role, stamp in stamps.items() if files[role].stamp() != stamp]:
        raise DataError([f"{file.field}: {file.path}: was changed while it was read; try again" for file in changed])


def _write(path: Path, array: Array | Readable) -> None:
    """Write the array, of which a part after the other is in memory if the source still has it."""
    if isinstance(array, np.ndarray):
        write_with(path, partial(_save, np.ascontiguousarray(array)))
        return
    start = int(np.lib.format.open_memmap(path, "w+", array.dtype, array.shape).offset)
    with path.open("r+b") as file, named_in_errors(path):
        for row, examples in array.read():
            file.seek(start + row * examples[0].nbytes)
            file.write(np.ascontiguousarray(examples).data)
        file.flush()
        os.fsync(file.fileno())


def _stored(paths: DataPaths) -> DataDescription | None:
    """The description of the prepared data, if all of them are there."""
    description = DataDescription.read_if_whole(paths.description)
    try:
        if description is not None:
            open_arrays(paths, description)
    except (OSError, ValueError):
        return None
    return description


def _publish(paths: DataPaths, description: DataDescription, written: DataPaths, checked: Checked) -> DataDescription:
    """Put arrays and description in their place. If another process has published them first, what it wrote stays."""
    with publish_folder(paths.folder, may_stay=lambda: _stored(paths) is not None) as folder:
        staged = DataPaths(folder)
        for name in checked.arrays:
            written.array(name).replace(staged.array(name))
        description.write(staged.description)
    return DataDescription.read(paths.description)


def _save(array: NDArray[Any], file: BinaryIO) -> None:
    np.save(file, array, allow_pickle=False)
