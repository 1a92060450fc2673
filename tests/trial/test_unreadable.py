"""A file that cannot be read is refused in one line with its name and why, whatever its format."""

from __future__ import annotations

import gzip
import io
import struct
import zipfile
from collections.abc import Callable

import numpy as np
import pytest

from tests.trial.place import Place

RANDOM = np.random.default_rng(0)
FEATURES = RANDOM.normal(size=(30, 4))
CLASSES = np.arange(30) % 3


def npz(save: Callable[..., None] = np.savez, **arrays: np.ndarray) -> bytes:
    file = io.BytesIO()
    save(file, **arrays)
    return file.getvalue()


def npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=True)
    return file.getvalue()


def zipped(**files: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in files.items():
            archive.writestr(f"{name}.npy", content)
    return file.getvalue()


def repeated(**arrays: np.ndarray) -> bytes:
    """An archive that has each array twice."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive, pytest.warns(UserWarning, match="Duplicate"):
        for name, array in [*arrays.items()] * 2:
            archive.writestr(f"{name}.npy", npy(array))
    return file.getvalue()


def changed(content: bytes, at: int, value: int) -> bytes:
    return content[:at] + bytes([value]) + content[at + 1 :]


def idx(array: np.ndarray) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


PLAIN = npz(x=FEATURES, y=CLASSES)
PACKED = npz(np.savez_compressed, x=FEATURES, y=CLASSES)
ENCRYPTED = changed(changed(PLAIN, 6, 1), PLAIN.index(b"PK\x01\x02") + 8, 1)
UNKNOWN_METHOD = changed(changed(PLAIN, 8, 99), PLAIN.index(b"PK\x01\x02") + 10, 99)
IMAGES = idx(RANDOM.integers(0, 256, (30, 4, 4), dtype=np.uint8))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (npy(FEATURES), "it begins as a single .npy array"),
        (npy(np.array([1, "a"], dtype=object)), "it begins as a single .npy array"),
        (npz(x=FEATURES, y=CLASSES.astype(object)), "array 'y' holds Python objects; allowed: numbers"),
        (npz(x=FEATURES.astype(object), y=CLASSES), "array 'x' holds Python objects; allowed: numbers"),
        (PLAIN[:-30], "not a zip file"),
        (PACKED[: len(PACKED) // 2], "not a zip file"),
        (changed(PACKED, len(PACKED) // 3, 0), "x.npy"),
        (changed(PLAIN, 300, PLAIN[300] ^ 1), "Bad CRC-32 for file 'x.npy'"),
        (ENCRYPTED, "'x.npy' is encrypted"),
        (UNKNOWN_METHOD, "compression method is not supported"),
        (zipped(x=npy(FEATURES)[:-9], y=npy(CLASSES)), "EOF"),
        (zipped(x=b"abc", y=npy(CLASSES)), "'x' is no array of examples"),
        (npz(x=np.array(1.0), y=CLASSES), "'x' is no array of examples"),
        (repeated(x=FEATURES, y=CLASSES), "array 'x' is there more than once"),
        (PLAIN + PACKED, f"{len(PLAIN):,} bytes stand before its first entry"),
        (b"\x80\x04K\x01.", "it begins as a pickle, which is never loaded"),
        (b"a,y\n1,2\n", "it is no zip archive"),
        (b"", "it is no zip archive"),
    ],
)
def test_an_npz_that_cannot_be_read(place: Place, content: bytes, reason: str) -> None:
    (place.folder / "f.npz").write_bytes(content)
    (violation,) = place.refused("npz", files={"train": {"path": "f.npz"}})
    assert violation.startswith(f"{place.folder}/f.npz: not a whole .npz of plain arrays: ")
    assert reason in violation
    assert "\n" not in violation


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (IMAGES[:-3], "torn"),
        (IMAGES + b"1", "torn, or another format"),
        (gzip.compress(IMAGES, mtime=0)[:-3], "not a whole gzip file"),
        (changed(gzip.compress(IMAGES, 0, mtime=0), 99, 0), "CRC check failed"),
        (gzip.compress(gzip.compress(IMAGES, mtime=0), mtime=0), "it starts with 1f8b"),
        (b"\0\0\x08\xff" + bytes(3000), "it has 255 dimensions"),
        (b"\x89PNG\r\n\x1a\n", "it begins as a single picture"),
        (b"", "it starts with nothing"),
    ],
)
def test_an_idx_file_that_cannot_be_read(place: Place, content: bytes, reason: str) -> None:
    (place.folder / "images").write_bytes(content)
    (place.folder / "labels").write_bytes(idx(CLASSES.astype(np.uint8)))
    (violation,) = place.refused("idx", files={"trainImages": {"path": "images"}, "trainLabels": {"path": "labels"}})
    assert violation.startswith(f"{place.folder}/images: not ")
    assert reason in violation


@pytest.mark.parametrize("source", ["npz", "csv"])
def test_a_folder_in_the_place_of_a_file(place: Place, source: str) -> None:
    (place.folder / "f").mkdir()
    (violation,) = place.refused(source, files={"train": {"path": "f"}}, target="y")
    assert violation == f"{place.folder}/f: cannot be read: Is a directory"


def test_what_is_neither_a_file_nor_a_folder_is_refused_without_waiting_for_it(place: Place) -> None:
    (violation,) = place.refused("npz", files={"train": {"path": "/dev/null"}})
    assert violation.endswith("/dev/null: neither a file nor a folder")


def test_every_wrong_digest_and_missing_file_is_said_at_once(place: Place) -> None:
    (place.folder / "images").write_bytes(IMAGES)
    (place.folder / "labels").write_bytes(idx(CLASSES.astype(np.uint8)))
    wrong = {"sha256": "0" * 64}
    files = {
        "trainImages": {"path": "images", **wrong},
        "trainLabels": {"path": "labels", **wrong},
        "testImages": {"path": "nowhere"},
        "testLabels": {"path": "labels", **wrong},
    }
    violations = place.refused("idx", files=files)
    assert [violation.split(": ")[2].split(" ")[0] for violation in violations] == ["wrong", "wrong", "no", "wrong"]


def test_arrays_that_are_not_used_are_named(place: Place) -> None:
    description = place.prepare("npz", **place.npz(FEATURES, CLASSES, x_val=FEATURES, y_val=CLASSES))
    assert description.notes == ("train.npz: left out: x_val, y_val (only x, y, x_test, y_test are used)",)


def test_examples_beyond_the_limit_are_counted(place: Place) -> None:
    description = place.prepare("npz", **place.npz(FEATURES, CLASSES), limit=9)
    assert description.notes == ("train.npz: left out: 15 training examples (beyond trainer.data.limit)",)
