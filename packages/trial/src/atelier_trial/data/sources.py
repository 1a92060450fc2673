"""Readers of files and of scikit-learn's bundled sets. Whether the arrays can be used is checked later."""

from __future__ import annotations

import gzip
import importlib.metadata
import math
import shutil
import struct
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from io import BufferedIOBase
from pathlib import Path
from typing import Any

import numpy as np
from atelier_store.arrays import StoredArray
from atelier_store.files import named_in_errors
from atelier_store.spec import Data

from atelier_trial.data import archives, csv_files, own_function, picture_files
from atelier_trial.data.errors import DataError, gather, reading
from atelier_trial.data.raw import ARRAYS, Array, InFiles, Part, RawData, few, held, weight_arrays

LARGE = 64 * 2**20
"""Bytes of an array in an .npz or IDX file that is not read into memory if it holds pictures."""

BUNDLED = ("digits", "iris", "wine", "breast_cancer", "diabetes")


def read(data: Data, files: Mapping[str, Path], folder: Path, progress: Callable[[str], object]) -> RawData:
    """What the source holds; what is large may stay in the folder. progress is told what takes long.

    DataError with every reason why it cannot be read.
    """
    if data.weight in (*ARRAYS, "feature_names") and data.source not in ("csv", "table"):
        raise DataError([f"trainer.data.weight: {data.weight!r} is another array; allowed: a name of its own"])
    if data.function is not None:
        return own_function.read(data.function, files, folder, data.weight)
    if data.source == "sklearn":
        return _bundled(data.name)
    if data.source == "idx":
        return _idx_files(files, folder)
    if data.source == "csv":
        return csv_files.read(data, files)
    if data.source == "table":
        from atelier_trial.data.tables import source  # imports polars, which no other source needs

        return source.read(data, files, folder)
    if data.source == "npz":
        return _npz_files(files, folder, data.weight)
    return picture_files.read(data, files, progress)


def bundled_version() -> str:
    """The version that decides what the bundled sets hold."""
    return importlib.metadata.version("scikit-learn")


def _bundled(name: str | None) -> RawData:
    if name not in BUNDLED:
        raise DataError(
            [f"trainer.data.name: {name!r} is not bundled with scikit-learn; allowed: {', '.join(BUNDLED)}"]
        )
    from sklearn import datasets

    bunch = getattr(datasets, f"load_{name}")()
    if name == "digits":
        pixels = np.round(bunch.images * (255 / 16)).astype(np.uint8)  # the range that users' pictures have
        return RawData(Part(name, pixels, bunch.target), labels=tuple(map(str, bunch.target_names)))
    features = tuple(map(str, bunch.feature_names))
    if name == "diabetes":
        return RawData(Part(name, bunch.data, bunch.target), feature_names=features, target_name="progression")
    return RawData(
        Part(name, bunch.data, bunch.target), labels=tuple(map(str, bunch.target_names)), feature_names=features
    )


# npz


def _npz_files(files: Mapping[str, Path], folder: Path, weight: str | None) -> RawData:
    archives = gather(lambda role: _npz(files[role], folder / role, weight), {role: role for role in files})
    parts = {
        role: Part(files[role].name, arrays["x"], arrays["y"], notes=notes, weight=arrays.get(weight or ""))
        for role, (arrays, notes) in archives.items()
    }
    train, _ = archives["train"]
    if "test" not in files and "x_test" in train:
        where = f"{files['train'].name} (x_test, y_test)"
        parts["test"] = Part(where, train["x_test"], train["y_test"], weight=train.get(f"{weight}_test"))
    return RawData.of(parts)


def _npz(path: Path, folder: Path, weight: str | None) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The arrays that are known, of which large pictures stay in the folder, and a note of those that are not."""
    names = (*ARRAYS, *weight_arrays(weight))
    with reading(path, "a whole .npz of plain arrays", "zip"):
        with path.open("rb") as file:
            if file.read(2) != b"PK":
                raise ValueError("it is no zip archive")
        with np.load(path, allow_pickle=False) as archive:
            archives.check_start(archive.zip)
            if twice := sorted({name for name in archive.files if archive.files.count(name) > 1}):
                raise ValueError(f"array {twice[0]!r} is there more than once")
            unknown = [name for name in archive.files if name not in names]
            large = [info.filename.removesuffix(".npy") for info in archive.zip.infolist() if info.file_size > LARGE]
            arrays = {
                name: _unpacked(path, name, folder) if name in large else _member(archive, name)
                for name in archive.files
                if name in names
            }
    missing = [name for name in ("x", "y") if name not in arrays]
    missing += [
        name for name in ("x_test", "y_test") if name not in arrays and ("x_test" in arrays or "y_test" in arrays)
    ]
    if missing:
        found = f"; it has: {few(unknown)}" if unknown else ""
        raise DataError(
            [
                f"{path}: array {name!r} is missing; needed: x, y, and both or none of x_test, y_test{found}"
                for name in missing
            ]
        )
    return arrays, (f"{path.name}: left out: {few(unknown)} (only {', '.join(names)} are used)",) if unknown else ()


def _unpacked(path: Path, name: str, folder: Path) -> Array | InFiles:
    """A large array: pictures in a file of their own, anything else in memory."""
    folder.mkdir(exist_ok=True)
    file = folder / f"{name}.npy"
    with zipfile.ZipFile(path) as archive, archive.open(f"{name}.npy") as member, file.open("wb") as written:
        shutil.copyfileobj(member, written, 2**20)
    mapped = np.load(file, mmap_mode="r", allow_pickle=False)
    if mapped.dtype == np.uint8 and mapped.ndim > 2 and mapped.flags.c_contiguous:
        return InFiles([StoredArray(file)])
    return np.load(file, allow_pickle=False)  # type: ignore[no-any-return]  # of any type


def _member(archive: Mapping[str, Array], name: str) -> Array:
    try:
        array = archive[name]
    except ValueError as error:
        if "Object arrays" not in str(error):
            raise
        raise ValueError(f"array {name!r} holds Python objects; allowed: numbers, for labels also texts") from error
    if not isinstance(array, np.ndarray) or array.ndim == 0:
        raise ValueError(f"{name!r} is no array of examples")
    return array


# idx


IDX_TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


def _idx_files(files: Mapping[str, Path], folder: Path) -> RawData:
    arrays = gather(lambda role: _idx(files[role], folder / f"{role}.npy"), {role: role for role in files})
    return RawData.of(
        {
            role: Part(files[f"{role}Images"].name, arrays[f"{role}Images"], held(arrays[f"{role}Labels"]))
            for role in ("train", "validation", "test")
            if f"{role}Images" in files
        }
    )


def _idx(path: Path, kept: Path) -> Array | InFiles:
    """The array in an IDX file, plain or gzip: two zeros, type, number of dimensions, big-endian sizes, values.

    Of many pictures, the values are in the file kept, and never in memory together.
    """
    with reading(path, "a whole gzip file", "gzip"), _unzipped(path) as file:
        start = file.read(4)
        with reading(path, "an IDX file"):
            dtype, dimensions = _idx_type(start)
        sizes = file.read(4 * dimensions)
        shape = struct.unpack(f">{dimensions}I", sizes) if len(sizes) == 4 * dimensions else ()
        expected = math.prod(shape) * dtype.itemsize
        is_kept = dtype == np.uint8 and dimensions > 2 and expected > LARGE
        values = b"" if is_kept else file.read()
        size = _copied(file, kept, shape) if is_kept else len(values)
        with reading(path, "an IDX file"):
            if size != expected:
                found, whole = 4 + len(sizes) + size, 4 + 4 * dimensions + expected
                raise ValueError(f"{found} bytes where its header says {whole}: torn, or another format")
    return InFiles([StoredArray(kept)]) if is_kept else np.frombuffer(values, dtype).reshape(shape)


@contextmanager
def _unzipped(path: Path) -> Iterator[BufferedIOBase]:
    """The content of a file, as it is read, without gzip around it."""
    with path.open("rb") as file:
        is_packed = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        if not is_packed:
            yield file
            return
        with gzip.open(file) as unpacked:
            yield unpacked


def _idx_type(start: bytes) -> tuple[np.dtype[Any], int]:
    """The type and the number of dimensions in the first bytes."""
    if len(start) < 4 or start[:2] != b"\0\0" or start[2] not in IDX_TYPES:
        raise ValueError(f"it starts with {start.hex() or 'nothing'}")
    if start[3] not in range(1, 5):
        raise ValueError(f"it has {start[3]} dimensions")
    return np.dtype(IDX_TYPES[start[2]]), start[3]


def _copied(file: BufferedIOBase, into: Path, shape: tuple[int, ...]) -> int:
    """Write the rest of a file as the bytes of an array of this shape; how many they are."""
    described: dict[str, Any] = {"descr": "|u1", "fortran_order": False, "shape": shape}
    with into.open("wb") as written, named_in_errors(into):
        np.lib.format.write_array_header_1_0(written, described)
        start = written.tell()
        shutil.copyfileobj(file, written, 2**20)
        return written.tell() - start
