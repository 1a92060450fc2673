"""Rows of an array are read from its file as they are asked for, and its digest needs no more of them at once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from atelier_store import arrays
from atelier_store.arrays import Stored, StoredArray, data_digest, parts
from atelier_store.records import DataDescription

X = np.random.default_rng(0).integers(0, 256, (20, 3, 2)).astype(np.uint8)
Y = np.arange(20) % 2


@pytest.fixture
def stored(tmp_path: Path) -> StoredArray:
    np.save(tmp_path / "x.npy", X)
    return StoredArray(tmp_path / "x.npy")


@pytest.mark.parametrize("rows", [[3, 1, 1, 19, 0], [4, 5, 6, 9, 10, 2], [], list(range(20))])
def test_any_rows_in_any_order_are_read(stored: StoredArray, rows: list[int]) -> None:
    found = stored[np.array(rows, dtype=np.int64)]
    assert (found.dtype, found.shape) == (X.dtype, (len(rows), 3, 2))
    assert (found == X[rows]).all()


def test_a_slice_and_targets_are_read(stored: StoredArray, tmp_path: Path) -> None:
    assert (stored[4:9] == X[4:9]).all() and (stored[15:90] == X[15:]).all()
    assert (len(stored), stored.shape, stored.nbytes) == (20, X.shape, X.nbytes)
    np.save(tmp_path / "y.npy", Y)
    assert (StoredArray(tmp_path / "y.npy")[3:5] == Y[3:5]).all()


def test_a_file_that_has_become_shorter_is_named(stored: StoredArray, tmp_path: Path) -> None:
    path = tmp_path / "x.npy"
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(ValueError, match=r"x\.npy: ends before the array does"):
        stored[0:20]
    with pytest.raises(ValueError, match="mmap length"):
        StoredArray(path)


def test_a_digest_is_the_same_of_parts_and_of_a_file(stored: StoredArray, monkeypatch: pytest.MonkeyPatch) -> None:
    held: dict[str, Stored] = {"train_x": X, "train_y": Y, "test_x": X[:0], "test_y": Y[:0]}
    description = DataDescription(
        digest="",
        kind="images",
        task="classification",
        shape=(3, 2),
        labels=("a", "b"),
        train_rows=20,
        test_rows=0,
        source="npz",
    )
    whole = data_digest(description, held)
    monkeypatch.setattr(arrays, "PART", 13)
    assert [len(part) for part in parts(X)] == [2] * 10
    assert data_digest(description, held | {"train_x": stored}) == whole
