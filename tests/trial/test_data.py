"""Every source is prepared right and found again; everything wrong with data is reported at once, by name."""

from __future__ import annotations

import gzip
import hashlib
import http.server
import io
import struct
import subprocess
import sys
import tarfile
import threading
import zipfile
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import pytest
from atelier_store.spec import Data, Kind
from atelier_trial.data import input_statistics, load, parts, prepare, sources, split
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tests.trial.place import Place

RANDOM = np.random.default_rng(0)
PIXELS = RANDOM.integers(0, 256, (30, 6, 5), dtype=np.uint8)
CLASSES = np.arange(30) % 3


@pytest.mark.parametrize(
    ("name", "task", "kind", "shape", "rows"),
    [
        ("digits", "classification", "images", (8, 8), 1797),
        ("iris", "classification", "rows", (4,), 150),
        ("wine", "classification", "rows", (13,), 178),
        ("breast_cancer", "classification", "rows", (30,), 569),
        ("diabetes", "regression", "rows", (10,), 442),
    ],
)
def test_a_bundled_set_is_prepared(
    place: Place, name: str, task: str, kind: str, shape: tuple[int, ...], rows: int
) -> None:
    description, arrays = place.arrays("sklearn", name=name, task=task)
    assert (description.kind, description.shape) == (kind, shape)
    assert description.train_rows + description.test_rows == rows
    assert arrays.train_x.dtype == (np.uint8 if kind == "images" else np.float32)
    assert arrays.train_y.dtype == (np.int64 if task == "classification" else np.float32)


def test_npz_arrays_are_taken_as_they_are_with_their_own_test_set(place: Place) -> None:
    data = place.npz(PIXELS, CLASSES, x_test=PIXELS[:9], y_test=CLASSES[:9])
    description, arrays = place.arrays("npz", **data)
    assert description.labels == ("0", "1", "2")
    np.testing.assert_array_equal(arrays.train_x, PIXELS)
    np.testing.assert_array_equal(arrays.test_y, CLASSES[:9])


def idx(array: np.ndarray) -> bytes:
    return (
        bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.astype(np.uint8).tobytes()
    )


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_idx_files_are_read_plain_and_compressed(place: Place, pack: Callable[[bytes], bytes]) -> None:
    (place.folder / "images").write_bytes(pack(idx(PIXELS)))
    (place.folder / "labels").write_bytes(pack(idx(CLASSES)))
    files = {"trainImages": {"path": "images"}, "trainLabels": {"path": "labels"}}
    files |= {"testImages": {"path": "images"}, "testLabels": {"path": "labels"}}
    _, arrays = place.arrays("idx", files=files)
    np.testing.assert_array_equal(arrays.train_x, PIXELS)
    np.testing.assert_array_equal(arrays.train_y, CLASSES)


def test_a_csv_has_named_features_and_labels(place: Place) -> None:
    rows = "".join(f"{i},{'yes' if i % 2 else 'no'},{i / 2}\n" for i in range(20))
    description, arrays = place.arrays("csv", **place.csv("a,y,b\n" + rows))
    assert (description.labels, description.feature_names, description.target_name) == (("no", "yes"), ("a", "b"), "y")
    np.testing.assert_array_equal(arrays.train_x[:, 0], arrays.train_x[:, 1] * 2)
    np.testing.assert_array_equal(arrays.train_y, arrays.train_x[:, 0] % 2)


def pictures(count: int = 5) -> Iterator[tuple[str, bytes]]:
    """Names and contents: each picture holds its class's grey."""
    for label, grey in (("cat", 10), ("dog", 200)):
        for number in range(count):
            file = io.BytesIO()
            Image.new("L", (5, 6), grey).save(file, "PNG")
            yield f"{label}/{number}.png", file.getvalue()


def write_pictures(place: Place, form: str, content: Iterable[tuple[str, bytes]]) -> dict[str, Any]:
    path = place.folder / form
    if form == "folder":
        for name, png in content:
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (path / name).write_bytes(png)
    elif form == "a.zip":
        with zipfile.ZipFile(path, "w") as archive:
            for name, png in content:
                archive.writestr(name, png)
    else:
        with tarfile.open(path, "w:gz") as archive:
            for name, png in content:
                member = tarfile.TarInfo(name)
                member.size = len(png)
                archive.addfile(member, io.BytesIO(png))
    return {"files": {"train": {"path": form}}}


@pytest.mark.parametrize("form", ["folder", "a.zip", "a.tar.gz"])
def test_pictures_by_class_are_read(place: Place, form: str) -> None:
    description, arrays = place.arrays("images", **write_pictures(place, form, pictures()))
    assert (description.labels, description.shape) == (("cat", "dog"), (6, 5))
    np.testing.assert_array_equal(arrays.train_x[:, 0, 0], np.where(arrays.train_y == 0, 10, 200))


def test_every_picture_that_cannot_be_read_is_named_at_once(place: Place) -> None:
    data = write_pictures(place, "folder", [*pictures(), ("cat/odd.png", b"no"), ("dog/odd.png", b"no")])
    assert sorted(v.split(": ")[1] for v in place.refused("images", **data)) == ["cat/odd.png", "dog/odd.png"]


def test_every_missing_file_is_named_at_once(place: Place) -> None:
    files = {"trainImages": {"path": "nowhere"}, "trainLabels": {"path": "nowhere-too"}}
    violations = place.refused("idx", files=files)
    assert [v.partition(":")[0] for v in violations] == [
        "trainer.data.files.trainImages",
        "trainer.data.files.trainLabels",
    ]
    assert all("no such file" in v for v in violations)


def test_everything_wrong_with_what_the_profile_says_of_files_is_named_at_once(place: Place) -> None:
    files = {
        "train": {"url": "http://host/a.npz"},
        "test": {"path": "a", "url": "http://host/a", "sha256": "0" * 64},
        "more": {"path": "b"},
    }
    violations = place.refused("npz", files=files)
    assert len(violations) == 3
    for part in ("without sha256", "exactly one of path and url", "no such file; allowed: train, validation, test"):
        assert any(part in v for v in violations)


def test_a_wrong_sha256_says_both(place: Place) -> None:
    data = place.npz(PIXELS, CLASSES)
    data["files"]["train"]["sha256"] = "0" * 64
    (violation,) = place.refused("npz", **data)
    assert (
        f"expected {'0' * 64}, found {hashlib.sha256((place.folder / 'train.npz').read_bytes()).hexdigest()}"
        in violation
    )


FEATURES = RANDOM.normal(size=(30, 4))


def changed(array: np.ndarray, at: Any, value: object) -> np.ndarray:
    array = array.copy()
    array[at] = value
    return array


@pytest.mark.parametrize(
    ("x", "y", "data", "parts"),
    [
        (
            changed(FEATURES, (3, 2), np.nan),
            changed(CLASSES * 1.0, 5, 0.5),
            {},
            ["row 3, feature 2: nan is not a finite", "row 5: label 0.5 is not a whole number"],
        ),
        (changed(FEATURES, (3, 2), 1e300), CLASSES, {}, ["row 3, feature 2: 1e+300"]),
        (
            FEATURES,
            changed(CLASSES, 4, 7),
            {"labels": ["a", "b", "c"]},
            ["row 4: label '7' is unknown; there is 1 such; allowed: 0, 1, 2"],
        ),
        (FEATURES, changed(CLASSES * 1.0, 4, 0.5), {}, ["row 4: label 0.5 is not a whole number"]),
        (FEATURES, CLASSES * 0, {}, ["every example is of class '0'; at least two classes"]),
        (FEATURES, changed(CLASSES * 0, 1, 1), {}, ["class '1' has 1 example; at least 3"]),
        (FEATURES, CLASSES[:-2], {}, ["30 examples but 28 labels"]),
        (FEATURES * 0, FEATURES[:, 0] * 0, {"task": "regression"}, ["there is nothing to learn"]),
        (FEATURES, changed(FEATURES[:, 0], 2, np.inf), {"task": "regression"}, ["row 2, target 0: inf"]),
        (FEATURES.astype(str), CLASSES, {}, ["features are <U", "allowed: numbers"]),
        (PIXELS * 1.0, CLASSES, {"kind": "images"}, ["pixels are float64; allowed: uint8"]),
        (PIXELS * 1.0, CLASSES, {}, ["trainer.data.kind", "say images, signals or rows"]),
        (FEATURES[:0], CLASSES[:0], {}, ["nothing empty"]),
    ],
)
def test_arrays_that_cannot_be_trained_on_are_refused_with_place_and_reason(
    place: Place, x: np.ndarray, y: np.ndarray, data: dict[str, Any], parts: list[str]
) -> None:
    violations = place.refused("npz", **place.npz(x, y), **data)
    for part in parts:
        assert any(part in violation for violation in violations), violations
    assert not list((place.folder / "store").glob("data/[!s]*"))


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "no column 'y'"),
        ("a,b\n1,2\n", "no column 'y'; allowed: a, b"),
        ("a,a,y\n1,2,3\n", "column 'a' is there more than once"),
        ("a,y\n1,2\n1\n", "the first: line 3 has 1"),
        ("a,y\n1,2\nred,2\n", "column 'a' is not numeric: 1 cell, the first is 'red' at line 3"),
        ("a,y\n1,2\n,3\n", "column 'a': 1 empty cell, the first at line 3; allowed: none"),
    ],
)
def test_a_csv_that_cannot_be_read_is_refused_with_its_line(place: Place, text: str, part: str) -> None:
    assert any(part in violation for violation in place.refused("csv", **place.csv(text)))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\0\0\x08\x03\0\0"])
def test_a_file_that_is_not_of_its_format_is_refused_by_name(place: Place, content: bytes) -> None:
    (place.folder / "f").write_bytes(content)
    assert f"{place.folder / 'f'}" in place.refused("npz", files={"train": {"path": "f"}})[0]
    assert (
        f"{place.folder / 'f'}"
        in place.refused("idx", files={"trainImages": {"path": "f"}, "trainLabels": {"path": "f"}})[0]
    )


def test_data_prepared_before_are_found_again_without_reading(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    data = place.npz(FEATURES, CLASSES)
    first = place.prepare("npz", **data)

    def read(*_: object) -> None:
        raise AssertionError("read again")

    monkeypatch.setattr(sources, "read", read)
    assert place.prepare("npz", **data) == first
    assert place.prepare("npz", **data, validationFraction=0.5) == first
    with pytest.raises(AssertionError, match="read again"):
        place.prepare("npz", **data, seed=1)


def test_torn_prepared_data_are_made_again(place: Place) -> None:
    data = place.npz(FEATURES, CLASSES)
    description = place.prepare("npz", **data)
    array = place.store.data(description.digest).array("train_x")
    array.write_bytes(array.read_bytes()[:100])
    assert place.prepare("npz", **data) == description
    assert load(place.store, description).train_x.shape == (description.train_rows, 4)


PREPARE = """
import sys
from pathlib import Path
from atelier_store.layout import Store
from atelier_store.spec import Data
from atelier_trial.data import load, prepare
sys.stdin.readline()
data = Data.model_validate({"source": "npz", "files": {"train": {"path": "train.npz"}}})
description = prepare(data, Store(Path("store")), Path.cwd(), None, 0)
load(Store(Path("store")), description)
print(description.digest)
"""


@pytest.mark.process
def test_processes_that_prepare_at_once_all_succeed(place: Place) -> None:
    place.npz(RANDOM.normal(size=(3000, 100)), np.arange(3000) % 3)
    command = [sys.executable, "-c", PREPARE]
    pipe = subprocess.PIPE
    processes = [subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, cwd=place.folder) for _ in range(4)]
    for process in processes:
        assert process.stdin
        process.stdin.write("\n")
        process.stdin.flush()
    outs = [process.communicate(timeout=300)[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * 4
    assert len(set(outs)) == 1
    assert not list((place.folder / "store" / "data").glob(".tmp-*"))


Web = tuple[str, str, list[str]]
"""A URL, the sha256 of what is there, and the paths that were asked for."""


@pytest.fixture
def web(place: Place) -> Iterator[Web]:
    """A server of one .npz, and below /other/ of another, that counts what it is asked for."""
    place.npz(FEATURES, CLASSES, "source.npz")
    place.npz(FEATURES[:12], CLASSES[:12], "other.npz")
    content, other = ((place.folder / name).read_bytes() for name in ("source.npz", "other.npz"))
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(500 if self.path.startswith("/broken") else 200)
            sent = other if self.path.startswith("/other") else content
            self.send_header("Content-Length", str(len(sent)))
            self.end_headers()
            self.wfile.write(sent)

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", hashlib.sha256(content).hexdigest(), asked
    server.shutdown()
    server.server_close()


def test_a_url_is_fetched_once_and_checked(place: Place, web: Web) -> None:
    url, sha256, asked = web
    data: dict[str, Any] = {"files": {"train": {"url": f"{url}/a/set.npz", "sha256": sha256}}}
    description, _ = place.arrays("npz", **data)
    assert place.prepare("npz", **data) == description
    assert place.prepare("npz", **data, limit=9).train_rows == 9
    assert asked == ["/a/set.npz"]
    assert kept(place) == [f"{sha256}/set.npz"]


def kept(place: Place) -> list[str]:
    """Files in the store's folder of downloads."""
    downloads = place.store.downloads
    return sorted(path.relative_to(downloads).as_posix() for path in downloads.rglob("*") if path.is_file())


def test_urls_that_end_in_one_name_are_two_files(place: Place, web: Web) -> None:
    url, sha256, asked = web
    other = hashlib.sha256((place.folder / "other.npz").read_bytes()).hexdigest()
    first, second = {"url": f"{url}/v1/set.npz", "sha256": sha256}, {"url": f"{url}/other/set.npz", "sha256": other}

    both = place.prepare("npz", files={"train": first, "test": second})

    assert (both.train_rows, both.test_rows) == (len(CLASSES), 12)
    assert place.prepare("npz", files={"train": second}, test_fraction=0.25).train_rows == 9
    assert sorted(asked) == ["/other/set.npz", "/v1/set.npz"]
    assert kept(place) == sorted([f"{sha256}/set.npz", f"{other}/set.npz"])


def test_a_file_that_is_there_by_its_name_is_used_if_it_is_the_right_one(place: Place, web: Web) -> None:
    url, sha256, asked = web
    data: dict[str, Any] = {"files": {"train": {"url": f"{url}/set.npz", "sha256": sha256}}}
    by_name = place.store.downloads / "set.npz"  # as release 0.1.0, or a person with --data-dir, puts it
    by_name.parent.mkdir(parents=True)
    by_name.write_bytes((place.folder / "source.npz").read_bytes())
    told: list[str] = []

    place.prepare("npz", told.append, **data)

    assert asked == told == [] and kept(place) == ["set.npz"]
    by_name.write_bytes((place.folder / "other.npz").read_bytes())
    place.prepare("npz", told.append, **data, limit=9)
    assert asked == ["/set.npz"] and kept(place) == sorted([f"{sha256}/set.npz", "set.npz"])
    assert any(f"{by_name} has another content than trainer.data.files.train" in line for line in told)


def test_a_download_with_another_content_is_refused_and_not_kept(place: Place, web: Web) -> None:
    url, sha256, _ = web
    (violation,) = place.refused("npz", files={"train": {"url": f"{url}/set.npz", "sha256": "0" * 64}})
    assert f"set.npz: wrong sha256: expected {'0' * 64}, found {sha256}" in violation
    assert kept(place) == []


def test_a_server_that_fails_is_named_with_what_to_do(place: Place, web: Web) -> None:
    url, sha256, _ = web
    (violation,) = place.refused("npz", files={"train": {"url": f"{url}/broken/set.npz", "sha256": sha256}})
    assert f"{url}/broken/set.npz could not be fetched: 500" in violation
    assert "put set.npz into" in violation
    assert kept(place) == []


@given(st.lists(st.integers(0, 3), min_size=2, max_size=60), st.floats(0.05, 0.95), st.integers(0, 2**31 - 1))
def test_a_split_is_a_partition_with_every_class_on_both_sides(labels: list[int], fraction: float, seed: int) -> None:
    y = np.array(labels)
    larger, smaller = split(y, fraction, seed)
    np.testing.assert_array_equal(np.sort(np.concatenate([larger, smaller])), np.arange(len(y)))
    for label in np.unique(y):
        if (y == label).sum() > 1:
            assert label in y[larger]
            assert label in y[smaller]
    again = split(y, fraction, seed)
    np.testing.assert_array_equal(larger, again[0])


def test_training_and_validation_leave_the_test_set_closed(place: Place) -> None:
    description = place.prepare("npz", **place.npz(FEATURES, CLASSES))
    arrays = load(place.store, description)
    ((training, validation),) = parts(arrays, description, 0.25, None, 0).splits
    assert len(training) + len(validation) == len(arrays.train_x) == description.train_rows
    assert not {row.tobytes() for row in arrays.train_x} & {row.tobytes() for row in arrays.test_x}


@pytest.mark.parametrize(
    ("kind", "x", "columns"),
    [
        ("images", PIXELS, (-1, 1)),
        ("images", RANDOM.integers(0, 256, (30, 6, 5, 3), dtype=np.uint8), (-1, 3)),
        ("signals", RANDOM.normal(5, 2, (30, 20)).astype(np.float32), (-1, 1)),
        ("signals", RANDOM.normal(5, 2, (30, 20, 4)).astype(np.float32), (-1, 4)),
        ("rows", RANDOM.normal(5, 2, (30, 7)).astype(np.float32), (-1, 7)),
    ],
)
def test_input_statistics_are_those_of_each_channel_or_feature(
    kind: Kind, x: np.ndarray, columns: tuple[int, ...]
) -> None:
    values = x.reshape(columns).astype(np.float64)
    found = input_statistics(x, kind)
    assert found.mean == pytest.approx(values.mean(0).tolist(), rel=1e-12)
    assert found.std == pytest.approx(values.std(0).tolist(), rel=1e-12)
    assert found.count == len(values)


def test_a_feature_that_never_varies_has_no_deviation() -> None:
    found = input_statistics(np.full((30, 1), 7, np.float32), "rows")
    assert (found.mean, found.std) == ((7.0,), (0.0,))


def test_a_source_is_called_as_its_profile_has_it_though_another_gave_the_same_arrays(place: Place) -> None:
    first = place.prepare("npz", **place.npz(FEATURES, CLASSES, "first.npz"))
    second = place.prepare("npz", **place.npz(FEATURES, CLASSES, "second.npz"))
    assert (first.digest, first.source, second.source) == (second.digest, "npz first.npz", "npz second.npz")


def test_long_steps_of_the_preparation_are_told(place: Place) -> None:
    steps: list[str] = []
    pixels = np.zeros((600, 300, 300), np.uint8)
    data = Data.model_validate({"source": "npz", **place.npz(pixels, np.arange(600) % 3)})
    prepare(data, place.store, place.folder, None, 0, steps.append)
    assert steps == [
        f"hashing {place.folder}/train.npz (54 MB) …",
        f"reading {place.folder}/train.npz (54 MB) …",
        f"writing 54 MB to {place.store.root}/data …",
    ]
