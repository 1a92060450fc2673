"""From a profile's `trainer.data` to arrays in the store, made once and found again by what they are made of."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Literal, NamedTuple

import numpy as np
from atelier_store.arrays import data_digest, open_arrays
from atelier_store.files import publish_folder, write_with
from atelier_store.layout import DataPaths, Store
from atelier_store.records import DataDescription, Record
from atelier_store.spec import Data, sha256_of
from numpy.typing import NDArray

from atelier_trial.data import sources
from atelier_trial.data.checks import check, describe
from atelier_trial.data.errors import DataError, gather
from atelier_trial.data.files import Located, locate
from atelier_trial.data.split import Rows, split

PREPARATION = 1
"""Raised whenever the same source would give other arrays."""


class DataSource(Record):
    """`data/sources/<digest of the source>.json`: which prepared data a source gives."""

    schema_version: Literal[1] = 1
    digest: str


class Arrays(NamedTuple):
    """Prepared arrays, mapped from their files: see `DataDescription` for shapes and types."""

    train_x: NDArray[Any]
    train_y: NDArray[Any]
    test_x: NDArray[Any]
    test_y: NDArray[Any]


def prepare(data: Data, store: Store, base: Path, downloads: Path | None, seed: int) -> DataDescription:
    """Make or find the prepared arrays of data in the store.

    base is the folder of relative paths; downloads is where downloaded files are looked for by name and kept, the store's own if None;
    seed draws the test set where the source has none. What was prepared before costs hashing the files without a declared sha256.
    Raises DataError with every violation, OSError as the file system says it.
    """
    files = locate(data, base, downloads or store.downloads)
    known = store.data_sources / f"{sha256_of(_identity(data, files, seed))}.json"
    record = DataSource.read_if_whole(known)
    description = _stored(store.data(record.digest)) if record else None
    if description is None:
        description = _make(data, store, files, seed)
        DataSource(digest=description.digest).write(known)
    return description


def load(store: Store, description: DataDescription) -> Arrays:
    """The prepared arrays. DataError if they are not what the description says."""
    paths = store.data(description.digest)
    try:
        arrays = Arrays(**open_arrays(paths))
    except (OSError, ValueError) as error:
        raise DataError(
            [f"{paths.folder}: prepared data are missing or torn: {error}; delete the folder to have them made again"]
        ) from error
    expected = ((description.train_rows, *description.shape), (description.test_rows, *description.shape))
    if (arrays.train_x.shape, arrays.test_x.shape) != expected or [len(arrays.train_y), len(arrays.test_y)] != [
        n for n, *_ in expected
    ]:
        raise DataError(
            [
                f"{paths.folder}: arrays are not those that data.json describes; delete the folder to have them made again"
            ]
        )
    return arrays


def load_split(
    store: Store, description: DataDescription, validation_fraction: float, seed: int
) -> tuple[NDArray[Any], NDArray[Any], Rows, Rows]:
    """Training arrays x and y with the rows for training and those for validation. The test set stays closed."""
    arrays = load(store, description)
    training, validation = split(arrays.train_y, validation_fraction, seed)
    return arrays.train_x, arrays.train_y, training, validation


def _identity(data: Data, files: Mapping[str, Located], seed: int) -> dict[str, Any]:
    """What decides the prepared arrays."""
    source = data.model_dump(mode="json", exclude={"files", "validation_fraction", "test_fraction"}, exclude_none=True)
    source |= {"preparation": PREPARATION, "files": gather(Located.content, files)}
    if not {"test", "testImages"} & set(files):
        source |= {"test_fraction": data.test_fraction, "seed": seed}
    if data.source == "sklearn":
        source |= {"version": sources.bundled_version()}
    return source


def _make(data: Data, store: Store, files: Mapping[str, Located], seed: int) -> DataDescription:
    found = sources.read(data, gather(Located.fetch, files))
    checked = check(data, found, seed)
    source = " ".join([data.source, *([data.name] if data.name else []), *(file.path.name for file in files.values())])
    description = describe(data, found, checked, source)
    description = description.model_copy(update={"digest": data_digest(description, checked.arrays)})
    return _publish(store.data(description.digest), description, checked.arrays)


def _stored(paths: DataPaths) -> DataDescription | None:
    """What lies there, if all of it does."""
    description = DataDescription.read_if_whole(paths.description)
    try:
        open_arrays(paths)
    except (OSError, ValueError):
        return None
    return description


def _publish(paths: DataPaths, description: DataDescription, arrays: Mapping[str, NDArray[Any]]) -> DataDescription:
    """Write arrays and description. If another process has published them first, what it wrote stays."""
    with publish_folder(paths.folder, may_stay=lambda: _stored(paths) is not None) as folder:
        staged = DataPaths(folder)
        for name, array in arrays.items():
            write_with(staged.array(name), partial(_save, array))
        description.write(staged.description)
    return DataDescription.read(paths.description)


def _save(array: NDArray[Any], file: BinaryIO) -> None:
    np.save(file, array, allow_pickle=False)
