"""Prepared arrays of a data set: how they are read, and their digest."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from atelier_store.layout import DataPaths
from atelier_store.records import DataDescription
from atelier_store.spec import canonical_json

ARRAYS = ("train_x", "train_y", "test_x", "test_y")
ORDER = "train_order"
"""The ranks of the training rows in the column by which they are split, if there is one."""


TRAIN_WEIGHT, TEST_WEIGHT = "train_weight", "test_weight"
"""The weights of rows (N,), float32, if they have any."""


def array_names(description: DataDescription) -> tuple[str, ...]:
    """The arrays of these data."""
    order = (ORDER,) if description.split and description.split.is_ordered else ()
    return (*ARRAYS, *order, *((TRAIN_WEIGHT, TEST_WEIGHT) if description.weight_name is not None else ()))


def data_digest(description: DataDescription, arrays: Mapping[str, NDArray[np.generic]]) -> str:
    """sha256, in hex, of the meaning of the data (kind, task, labels, names, fit, columns, parts, …) and the arrays.

    An array counts with its name, dtype, shape and bytes; the description's own digest, counts and source do not count.
    """
    names = {"labels", "feature_names", "target_name", "target_names", "weight_name"}
    meaning = description.model_dump(
        include=names | {"kind", "task", "fit", "columns", "missing", "split", "validation_rows"}
    )
    digest = hashlib.sha256(canonical_json(meaning).encode())
    for name in array_names(description):
        array = np.ascontiguousarray(arrays[name])
        digest.update(canonical_json([name, array.dtype.str, array.shape]).encode())
        digest.update(array.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def open_arrays(paths: DataPaths, description: DataDescription) -> dict[str, NDArray[np.generic]]:
    """Every array, mapped read-only from its file. FileNotFoundError; ValueError if a file is no whole array."""
    names = array_names(description)
    return {name: np.load(paths.array(name), mmap_mode="r", allow_pickle=False) for name in names}
