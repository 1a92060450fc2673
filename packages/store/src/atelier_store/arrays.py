"""Prepared arrays of a data set: how they are read, all at once or a few rows of many, and their digest."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atelier_store.layout import DataPaths
from atelier_store.records import DataDescription
from atelier_store.spec import canonical_json

ARRAYS = ("train_x", "train_y", "test_x", "test_y")
ORDER = "train_order"
"""The ranks of the training rows in the column by which they are split, if there is one."""

PART = 8 * 2**20
"""Bytes of an array that are in memory at once where all of it is gone through."""


class StoredArray:
    """An array in an .npy file, of which those rows are in memory that were asked for: indexed by rows, it is read.

    A map of the file has the same values, but all that was ever read of it counts as memory of the process.
    """

    def __init__(self, path: Path) -> None:
        """OSError; ValueError if the file is no whole array, or holds Python objects."""
        mapped = np.load(path, mmap_mode="r", allow_pickle=False)
        if not mapped.flags.c_contiguous:
            raise ValueError(f"{path}: its rows do not lie one after the other")
        self._path, self._start = path, int(mapped.offset)
        self.shape: tuple[int, ...] = mapped.shape
        self.dtype: np.dtype[Any] = mapped.dtype

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def nbytes(self) -> int:
        return int(np.prod(self.shape)) * self.dtype.itemsize

    def __getitem__(self, rows: slice | NDArray[np.int64]) -> NDArray[Any]:
        """These rows, in their order. OSError; ValueError if the file has become shorter."""
        chosen = np.arange(*rows.indices(len(self))) if isinstance(rows, slice) else rows
        found = np.empty((len(chosen), *self.shape[1:]), self.dtype)
        if found.size == 0:
            return found
        ends = [*(np.flatnonzero(np.diff(chosen) != 1) + 1).tolist(), len(chosen)]
        places = self._start + chosen * found[0].nbytes
        runs = [(found[first:last], int(places[first])) for first, last in pairwise([0, *ends])]
        with self._path.open("rb", buffering=0) as file:
            if hasattr(os, "posix_fadvise"):  # so that the disk works on all of them while the first is waited for
                for run, place in runs:
                    os.posix_fadvise(file.fileno(), place, run.nbytes, os.POSIX_FADV_WILLNEED)
            for run, place in runs:
                self._fill(file.fileno(), run, place)
        return found

    def _fill(self, descriptor: int, rows: NDArray[Any], place: int) -> None:
        left = rows.reshape(-1).view(np.uint8).data
        while left:
            count = os.preadv(descriptor, [left], place)
            if count == 0:
                raise ValueError(f"{self._path}: ends before the array does that it holds")
            left, place = left[count:], place + count


Stored = NDArray[Any] | StoredArray


def parts(array: Stored) -> Iterator[NDArray[Any]]:
    """All rows in their order, in parts of about PART bytes; one part, and no copy, if that is all."""
    rows = max(1, PART // max(1, array.nbytes // max(1, len(array))))
    for start in range(0, len(array), rows):
        yield array[start : start + rows]


TRAIN_WEIGHT, TEST_WEIGHT = "train_weight", "test_weight"
"""The weights of rows (N,), float32, if they have any."""


def array_names(description: DataDescription) -> tuple[str, ...]:
    """The arrays of these data."""
    order = (ORDER,) if description.split and description.split.is_ordered else ()
    return (*ARRAYS, *order, *((TRAIN_WEIGHT, TEST_WEIGHT) if description.weight_name is not None else ()))


def data_digest(description: DataDescription, arrays: Mapping[str, Stored]) -> str:
    """sha256, in hex, of the meaning of the data (kind, task, labels, names, fit, columns, parts, …) and the arrays.

    An array counts with its name, dtype, shape and bytes; the description's own digest, counts and source do not count.
    """
    names = {"labels", "feature_names", "target_name", "target_names", "weight_name"}
    meaning = description.model_dump(
        include=names | {"kind", "task", "fit", "columns", "missing", "split", "validation_rows"}
    )
    digest = hashlib.sha256(canonical_json(meaning).encode())
    for name in array_names(description):
        array = arrays[name]
        digest.update(canonical_json([name, array.dtype.str, array.shape]).encode())
        for part in parts(array):
            digest.update(np.ascontiguousarray(part).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def open_arrays(paths: DataPaths, description: DataDescription) -> dict[str, NDArray[np.generic]]:
    """Every array, mapped read-only from its file. FileNotFoundError; ValueError if a file is no whole array."""
    names = array_names(description)
    return {name: np.load(paths.array(name), mmap_mode="r", allow_pickle=False) for name in names}


def stored_arrays(paths: DataPaths, description: DataDescription) -> dict[str, StoredArray]:
    """Every array in its file. FileNotFoundError; ValueError likewise."""
    return {name: StoredArray(paths.array(name)) for name in array_names(description)}
