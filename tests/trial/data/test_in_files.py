"""Pictures of an .npz or of a function's batches are never in memory together, and give what they gave."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from atelier_store import arrays
from atelier_store.arrays import StoredArray
from atelier_trial.data import raw, sources
from atelier_trial.data.raw import InFiles, held

from tests.trial.place import Place

X = np.random.default_rng(0).integers(0, 256, (40, 5, 4, 3)).astype(np.uint8)
Y = np.arange(40) % 4


def batches() -> Iterator[tuple[np.ndarray, np.ndarray]]:
    for start in range(0, 40, 7):
        yield X[start : start + 7], Y[start : start + 7]


def mixed() -> Iterator[tuple[np.ndarray, np.ndarray]]:
    yield X[:20], Y[:20]
    yield X[20:].astype(np.float32), Y[20:]


def test_examples_in_files_are_indexed_as_an_array_and_read_once(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    files = []
    for number, (x, _) in enumerate(batches()):
        np.save(place.folder / f"{number}.npy", x)
        files.append(StoredArray(place.folder / f"{number}.npy"))
    monkeypatch.setattr(raw, "PART", 130)
    examples, rows = InFiles(files), np.random.default_rng(1).permutation(40)[:25]
    assert (examples.shape, examples.ndim, examples.nbytes, len(examples)) == (X.shape, 4, X.nbytes, 40)
    assert (held(examples) == X).all()
    assert (held(examples[rows][3:20]) == X[rows][3:20]).all()
    read = [row + place for row, found in examples[rows].read() for place in range(len(found))]
    assert sorted(read) == list(range(25))


def test_pictures_of_a_large_npz_are_those_of_a_small_one(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    files = place.npz(X, Y)
    small = place.prepare("npz", **files)
    monkeypatch.setattr(sources, "LARGE", 100)
    place.store.data_sources.rename(place.folder / "gone")
    monkeypatch.setattr(arrays, "PART", 100)
    assert place.prepare("npz", **files) == small
    series = place.npz(X[..., 0, 0].astype(np.float32), Y)
    assert place.prepare("npz", kind="rows", **series).shape == (5,)


@pytest.mark.parametrize("large", [100, 1500])
def test_pictures_of_large_files_are_validated_and_weighed_as_those_of_small_ones(
    place: Place, monkeypatch: pytest.MonkeyPatch, large: int
) -> None:
    files: dict[str, Any] = {}
    weights = np.arange(40.0) + 1
    for role, rows in (("train", slice(0, 40)), ("validation", slice(5, 17)), ("test", slice(30, 40))):
        files[role] = place.npz(X[rows], Y[rows], f"{role}.npz", w=weights[rows])["files"]["train"]
    small, arrays = place.arrays("npz", files=files, weight="w")
    monkeypatch.setattr(sources, "LARGE", large)
    place.store.data_sources.rename(place.folder / "gone")
    assert place.prepare("npz", files=files, weight="w") == small
    assert (arrays.train_x == np.concatenate([X, X[5:17]])).all()
    assert arrays.train_weight is not None and (arrays.train_weight[40:] == weights[5:17]).all()


def idx(array: np.ndarray) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_pictures_of_a_large_idx_file_are_those_of_a_small_one(
    place: Place, monkeypatch: pytest.MonkeyPatch, pack: Callable[[bytes], bytes]
) -> None:
    contents = {"Images": idx(X[..., 0]), "Labels": idx(Y.astype(np.uint8))}
    files = {f"{role}{name}": {"path": f"{role}{name}"} for role in ("train", "test") for name in contents}
    for role in files:
        (place.folder / role).write_bytes(pack(contents[role.removeprefix("train").removeprefix("test")]))
    small = place.prepare("idx", files=files)
    place.store.data_sources.rename(place.folder / "gone")
    monkeypatch.setattr(sources, "LARGE", 100)
    assert place.prepare("idx", files=files) == small
    for cut, reason in ((100, "100 bytes where its header says 816"), (-1, "815 bytes where its header says 816")):
        (place.folder / "trainImages").write_bytes(pack(contents["Images"][:cut]))
        assert reason in place.refused("idx", files=files)[0]
    (place.folder / "trainImages").write_bytes(pack(contents["Images"] + b"xy"))
    assert "818 bytes where its header says 816" in place.refused("idx", files=files)[0]


def test_batches_give_the_data_of_their_arrays(place: Place) -> None:
    assert place.prepare(f"{__name__}:batches").digest == place.prepare("npz", **place.npz(X, Y)).digest
    assert "pixels are float32" in place.refused(f"{__name__}:mixed", kind="images")[0]
