"""Readers of files and of scikit-learn's bundled sets. Whether the arrays can be used is checked later."""

from __future__ import annotations

import csv
import gzip
import hashlib
import importlib.metadata
import math
import struct
import tarfile
import zipfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from atelier_store.spec import Data
from numpy.typing import NDArray

from atelier_trial.data.errors import DataError, gather
from atelier_trial.data.files import files_below

Array = NDArray[Any]

BUNDLED = ("digits", "iris", "wine", "breast_cancer", "diabetes")
PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".pgm", ".ppm")


@dataclass(frozen=True)
class Part:
    """Examples of the training or the test set. places names the place of each row, if "row 5" would not."""

    where: str
    x: Array
    y: Array
    places: Sequence[str] | None = None

    def place(self, row: int) -> str:
        """The place of a row, in words."""
        return f"{self.where}, {self.places[row] if self.places else f'row {row}'}"


@dataclass(frozen=True)
class RawData:
    """What a source holds. labels names class numbers; it is None if y itself holds names."""

    train: Part
    test: Part | None = None
    labels: tuple[str, ...] | None = None
    feature_names: tuple[str, ...] | None = None
    target_name: str | None = None


def read(data: Data, files: Mapping[str, Path]) -> RawData:
    """What the source holds. DataError with every reason why it cannot be read."""
    if data.source == "sklearn":
        return _bundled(data.name)
    if data.source == "idx":
        return _idx_files(files)
    if data.source == "csv":
        return _csv_files(data, files)
    return _npz_files(files) if data.source == "npz" else _image_folders(files)


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


def _npz_files(files: Mapping[str, Path]) -> RawData:
    archives = gather(_npz, files)
    train = archives["train"]
    test = None
    if "test" in files:
        test = Part(files["test"].name, archives["test"]["x"], archives["test"]["y"])
    elif "x_test" in train:
        test = Part(f"{files['train'].name} (x_test, y_test)", train["x_test"], train["y_test"])
    return RawData(Part(files["train"].name, train["x"], train["y"]), test)


def _npz(path: Path) -> dict[str, Array]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files if name in ("x", "y", "x_test", "y_test")}
    except (ValueError, OSError, EOFError, AttributeError, TypeError, zipfile.BadZipFile) as error:
        raise DataError([f"{path}: not an .npz of plain arrays: {error}"]) from error
    missing = [name for name in ("x", "y") if name not in arrays]
    missing += [
        name for name in ("x_test", "y_test") if name not in arrays and ("x_test" in arrays or "y_test" in arrays)
    ]
    if missing:
        raise DataError(
            [f"{path}: array {name!r} is missing; needed: x, y, and both or none of x_test, y_test" for name in missing]
        )
    return arrays


# idx


IDX_TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


def _idx_files(files: Mapping[str, Path]) -> RawData:
    arrays = gather(_idx, files)
    train = Part(files["trainImages"].name, arrays["trainImages"], arrays["trainLabels"])
    if "testImages" not in files:
        return RawData(train)
    return RawData(train, Part(files["testImages"].name, arrays["testImages"], arrays["testLabels"]))


def _idx(path: Path) -> Array:
    """The array in an IDX file, plain or gzip: two zeros, type, number of dimensions, big-endian sizes, values."""
    content = path.read_bytes()
    try:
        if content[:2] == b"\x1f\x8b":
            content = gzip.decompress(content)
    except (OSError, EOFError) as error:
        raise DataError([f"{path}: broken gzip: {error}"]) from error
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] not in IDX_TYPES:
        raise DataError([f"{path}: not an IDX file: it starts with {content[:4].hex() or 'nothing'}"])
    dtype, dimensions = np.dtype(IDX_TYPES[content[2]]), content[3]
    start = 4 + 4 * dimensions
    shape = struct.unpack(f">{dimensions}I", content[4:start]) if len(content) >= start else ()
    expected = start + math.prod(shape) * dtype.itemsize
    if len(content) != expected:
        raise DataError([f"{path}: {len(content)} bytes where its header says {expected}: torn, or not an IDX file"])
    return np.frombuffer(content, dtype, offset=start).reshape(shape)


# csv


@dataclass(frozen=True)
class Table:
    """A CSV file: features (N, F) float64, target as text, and the line of each row."""

    where: str
    features: tuple[str, ...]
    x: Array
    target: list[str]
    lines: list[str]


def _csv_files(data: Data, files: Mapping[str, Path]) -> RawData:
    tables = gather(lambda path: _csv(path, data.target), files)
    train, test = tables["train"], tables.get("test")
    if test is not None and test.features != train.features:
        raise DataError(
            [
                f"{files['test']}: columns {', '.join(test.features)}; "
                f"allowed: those of the training file, {', '.join(train.features)}"
            ]
        )
    parts = gather(lambda table: _csv_part(table, data), tables)
    return RawData(parts["train"], parts.get("test"), feature_names=train.features, target_name=data.target)


def _csv(path: Path, target: str | None) -> Table:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file)
            header = [name.strip() for name in next(reader, [])]
            rows = [(row, f"line {reader.line_num}") for row in reader if row]
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError([f"{path}: not a CSV file in UTF-8: {error}"]) from error
    violations = [
        f"{path}: column {name!r} is there more than once"
        for name in sorted({n for n in header if header.count(n) > 1})
    ]
    if target not in header:
        violations.append(
            f"trainer.data.target: {path} has no column {target!r}; "
            f"allowed: {', '.join(header) or 'none, the file is empty'}"
        )
    ragged = [(line, len(row)) for row, line in rows if len(row) != len(header)]
    if ragged:
        line, cells = ragged[0]
        violations.append(
            f"{path}: {len(ragged)} rows do not have the header's {len(header)} cells; the first: {line} has {cells}"
        )
    if violations:
        raise DataError(violations)
    features = [name for name in header if name != target]
    columns = (
        dict(zip(header, zip(*(row for row, _ in rows), strict=True), strict=True))
        if rows
        else dict.fromkeys(header, ())
    )
    lines = [line for _, line in rows]
    x = np.empty((len(rows), len(features)))
    for number, name in enumerate(features):
        try:
            x[:, number] = [float(cell) if cell.strip() else math.nan for cell in columns[name]]
        except ValueError:
            violations.append(_not_numeric(path, name, columns[name], lines))
    if violations:
        raise DataError(violations)
    return Table(path.name, tuple(features), x, [cell.strip() for cell in columns[str(target)]], lines)


def _not_numeric(path: Path, name: str, cells: Sequence[str], lines: Sequence[str]) -> str:
    wrong = [(cell, line) for cell, line in zip(cells, lines, strict=True) if cell.strip() and not _is_number(cell)]
    cell, line = wrong[0]
    cells_in_words = f"{len(wrong)} cells, the first is {cell!r} at {line}"
    return f"{path}: column {name!r} is not numeric: {cells_in_words}; features must be numbers"


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _csv_part(table: Table, data: Data) -> Part:
    if data.task == "classification":
        return Part(table.where, table.x, np.array(table.target, dtype=str), table.lines)
    try:
        y = np.array([float(cell) if cell else math.nan for cell in table.target])
    except ValueError:
        wrong, line = next((c, at) for c, at in zip(table.target, table.lines, strict=True) if c and not _is_number(c))
        raise DataError([f"{table.where}: target column {data.target!r} is not numeric: {wrong!r} at {line}"]) from None
    return Part(table.where, table.x, y, table.lines)


# images


def _image_folders(files: Mapping[str, Path]) -> RawData:
    parts = gather(_images, files)
    return RawData(parts["train"], parts.get("test"))


def _images(path: Path) -> Part:
    """Every picture of a folder or archive with a sub-folder for each class.

    Their order is that of their names' digests, so that the first N are a fair sample.
    """
    try:
        named = sorted(_entries(path), key=lambda entry: hashlib.sha256(entry[0].encode()).digest())
    except (zipfile.BadZipFile, tarfile.TarError, EOFError) as error:
        raise DataError([f"{path}: not a whole zip or tar archive: {error}"]) from error
    if not named:
        raise DataError([f"{path}: no pictures in sub-folders by class; allowed: {' '.join(PICTURES)}"])
    roots = sorted({str(PurePosixPath(name).parent.parent) for name, _ in named})
    if len(roots) > 1:
        raise DataError(
            [
                f"{path}: classes lie below several folders: {_few(roots)}; "
                "allowed: one folder with a sub-folder for each class"
            ]
        )
    from atelier_store import pictures  # imports Pillow, which no other source needs

    images: list[Array] = []
    violations: list[str] = []
    for name, content in named:
        try:
            images.append(pictures.pixels(content, formats=(*pictures.FORMATS, "PPM")))
        except pictures.UnreadablePicture as error:
            violations.append(f"{path}: {name}: {error}")
    if not violations:
        violations = _other_shapes(path, [name for name, _ in named], images)
    if violations:
        raise DataError(violations)
    names = [name for name, _ in named]
    return Part(path.name, np.stack(images), np.array([PurePosixPath(name).parent.name for name in names]), names)


def _entries(path: Path) -> Iterator[tuple[str, bytes]]:
    """Names and contents of the pictures in sub-folders of a folder, .zip or .tar archive (compressed or not)."""
    if path.is_dir():
        files = ((file.relative_to(path).as_posix(), file) for file in files_below(path))
        yield from ((name, file.read_bytes()) for name, file in files if _is_picture(name))
    elif zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            yield from ((name, archive.read(name)) for name in archive.namelist() if _is_picture(name))
    else:
        with tarfile.open(path) as archive:
            for member in archive:
                file = archive.extractfile(member) if member.isfile() and _is_picture(member.name) else None
                if file is not None:
                    yield member.name, file.read()


def _is_picture(name: str) -> bool:
    parts = PurePosixPath(name).parts
    hidden = any(part.startswith((".", "__MACOSX")) and part != "." for part in parts)
    return not hidden and len(parts) > 1 and name.lower().endswith(PICTURES)


def _other_shapes(path: Path, names: Sequence[str], pictures: Sequence[Array]) -> list[str]:
    by_shape: dict[tuple[int, ...], list[str]] = defaultdict(list)
    for name, image in zip(names, pictures, strict=True):
        by_shape[image.shape].append(name)
    usual = max(by_shape, key=lambda shape: len(by_shape[shape]))
    return [
        f"{path}: {name}: shape {shape}; allowed: {usual}, as most pictures have"
        for shape in by_shape
        if shape != usual
        for name in sorted(by_shape[shape])
    ]


def _few(items: Sequence[str], most: int = 5) -> str:
    return ", ".join(items[:most]) + (f" and {len(items) - most} more" if len(items) > most else "")
