"""Raw examples that a training reads by batches: in memory, or where they are many in their file."""

from __future__ import annotations

import math
from collections.abc import Generator, Iterable, Iterator
from typing import Any

import numpy as np
import torch
from atelier_store.arrays import StoredArray
from atelier_store.layout import DataPaths
from atelier_store.records import DataDescription
from atelier_trial.ahead import ahead
from numpy.typing import NDArray
from torch import Tensor

RESIDENT = 256 * 2**20
"""Bytes of pictures or series that a trial holds in memory; more stay in their file.

Rows are held however many they are: what a network is built of are whole columns.
"""

EVALUATED = 500
"""Examples that are answered at once."""

EVALUATED_BYTES = 2 * 2**20
"""Of large examples at most so much is answered at once, and at least one: a layer makes ten times that of them.

With 8 MiB of pictures of 128 x 128 at once, a small network needed 200 MiB more in torch, 500 more in ONNX Runtime, and
a third more time.
"""


class InFile:
    """Examples in a file: indexed by rows as a tensor (N, *shape) is, it reads them."""

    def __init__(self, array: StoredArray, rows: NDArray[np.int64]) -> None:
        self._array, self._rows = array, rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: Tensor | slice) -> Tensor:
        return torch.from_numpy(self._array[self._rows[index if isinstance(index, slice) else index.numpy()]])

    @property
    def row_bytes(self) -> int:
        return self._array.nbytes // len(self._array)


Examples = Tensor | InFile


def training_examples(
    paths: DataPaths, description: DataDescription, x: NDArray[Any], rows: NDArray[np.int64]
) -> Examples:
    """These rows of the training examples x, which are a map of their file."""
    if description.kind == "rows" or x.nbytes <= RESIDENT:
        return torch.from_numpy(x[rows])
    return InFile(StoredArray(paths.array("train_x")), rows)


def batches(x: Examples, indices: Iterable[Tensor]) -> Generator[tuple[Tensor, Tensor], None, None]:
    """Each index, and the examples that it names; those in a file are read by a thread while one is trained on."""

    def batch(index: Tensor) -> tuple[Tensor, Tensor]:
        return index, x[index]

    yield from ahead(batch, indices) if isinstance(x, InFile) else map(batch, indices)


def in_order(x: Examples) -> Iterator[Tensor]:
    """All examples in their order, as many at a time as are answered at once."""
    row_bytes = math.prod(x.shape[1:]) * x.element_size() if isinstance(x, Tensor) else x.row_bytes
    size = max(1, min(EVALUATED, EVALUATED_BYTES // row_bytes))
    slices = (slice(start, start + size) for start in range(0, len(x), size))
    yield from ahead(x.__getitem__, slices) if isinstance(x, InFile) else map(x.__getitem__, slices)
