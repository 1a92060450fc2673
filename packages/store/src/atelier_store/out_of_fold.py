"""`out_of_fold.npz`: what the networks of the folds answered, each to the rows that it had not learnt from.

They are the only answers to the rows of a search with folds from networks that have not seen them: the network that is
served has learnt from all rows. A promotion chooses thresholds by them, and says where such networks err.
"""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from atelier_store.files import write_with
from atelier_store.folds import Rows

MOST: Final = 256 * 2**20
"""Bytes of answers that are kept with a trial: one of a thousand classes and very many rows keeps none."""


class OutOfFold(NamedTuple):
    """Numbers (M,) of training rows, ascending, and the answers to each: probabilities (M, K) or targets (M, T)."""

    rows: Rows
    answers: NDArray[np.float32]

    @classmethod
    def of(cls, rows: Sequence[Rows], answers: Sequence[NDArray[np.float32]]) -> OutOfFold:
        """Those of several folds together."""
        numbers = np.concatenate(rows)
        order = np.argsort(numbers)
        return cls(numbers[order], np.concatenate(answers)[order])


def write(path: Path, found: OutOfFold, weights_sha256: str) -> None:
    """Write the answers that belong to a bundle of these weights: those of the same training on all rows. OSError."""
    arrays: dict[str, Any] = {**found._asdict(), "weights_sha256": np.array(weights_sha256)}
    write_with(path, lambda file: np.savez(file, allow_pickle=False, **arrays))


def read(path: Path, weights_sha256: str) -> OutOfFold | None:
    """The answers that belong to a bundle of these weights; None if they are not there, torn, or another's."""
    try:
        with np.load(path, allow_pickle=False) as kept:
            if str(kept["weights_sha256"]) != weights_sha256:
                return None
            return OutOfFold(kept["rows"], kept["answers"])
    except (FileNotFoundError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
