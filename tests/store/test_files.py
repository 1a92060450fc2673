"""A file is whole or as it was before, whatever goes wrong; nothing temporary stays."""

import errno
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, BinaryIO, Never

import pytest
from atelier_store.curve import append_epoch, read_curve, truncate
from atelier_store.files import TEMPORARY, publish_folder, sha256_file, write_bytes, write_text, write_with
from atelier_store.records import Epoch
from hypothesis import given, settings
from hypothesis import strategies as st


def test_a_file_and_its_folders_are_made(tmp_path: Path) -> None:
    write_text(tmp_path / "a" / "b" / "c.txt", "größer")
    assert (tmp_path / "a" / "b" / "c.txt").read_bytes() == "größer".encode()


def test_a_write_that_fails_midway_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "card.json"
    write_bytes(path, b"old")

    def half(file: BinaryIO) -> Never:
        file.write(b"ne")
        file.flush()
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_with(path, half)
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["card.json"]


def test_an_error_of_the_disk_names_the_file_that_was_written(tmp_path: Path) -> None:
    def full(file: BinaryIO) -> Never:
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError) as raised:
        write_with(tmp_path / "card.json", full)
    assert raised.value.filename == str(tmp_path / "card.json")


def test_a_write_that_cannot_take_its_place_leaves_nothing_temporary(tmp_path: Path) -> None:
    (tmp_path / "card.json" / "in-the-way").mkdir(parents=True)
    with pytest.raises(OSError, match="card"):
        write_bytes(tmp_path / "card.json", b"new")
    assert [p.name for p in tmp_path.iterdir()] == ["card.json"]


WRITER = """
import sys
from pathlib import Path
from atelier_store.files import write_bytes
path = Path(sys.argv[1])
for number in range(10**9):
    write_bytes(path, bytes([number % 256]) * 200_000)
"""


@pytest.mark.process
def test_a_reader_and_a_killed_writer_never_leave_a_torn_file(tmp_path: Path) -> None:
    path = tmp_path / "last.ckpt"
    process = subprocess.Popen([sys.executable, "-c", WRITER, str(path)])
    try:
        while not path.exists():
            time.sleep(0.01)
        for _ in range(50):
            content = path.read_bytes()
            assert len(content) == 200_000
            assert len(set(content)) == 1
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    content = path.read_bytes()
    assert (len(content), len(set(content))) == (200_000, 1)


def test_a_folder_takes_the_place_of_the_one_that_was_there(tmp_path: Path) -> None:
    for content in (b"old", b"new"):
        with publish_folder(tmp_path / "model") as folder:
            write_bytes(folder / "network", content)
            write_bytes(folder / content.decode(), content)
    assert sorted(p.name for p in (tmp_path / "model").iterdir()) == ["network", "new"]
    assert [p.name for p in tmp_path.iterdir()] == ["model"]


def test_a_folder_that_fails_midway_leaves_what_was_there(tmp_path: Path) -> None:
    write_bytes(tmp_path / "model" / "network", b"old")
    with pytest.raises(OSError, match="disk full"), publish_folder(tmp_path / "model") as folder:
        write_bytes(folder / "network", b"new")
        raise OSError("disk full")
    assert (tmp_path / "model" / "network").read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["model"]


@pytest.mark.parametrize(("may_stay", "kept"), [(True, b"first"), (False, b"second")])
def test_of_two_that_publish_at_once_the_last_stays_or_the_first_where_it_may(
    tmp_path: Path, may_stay: bool, kept: bytes
) -> None:
    with publish_folder(tmp_path / "data", may_stay=lambda: may_stay) as second:
        with publish_folder(tmp_path / "data") as first:
            write_bytes(first / "x", b"first")
        write_bytes(second / "x", b"second")
    assert (tmp_path / "data" / "x").read_bytes() == kept
    assert [p.name for p in tmp_path.iterdir()] == ["data"]


def test_a_folder_is_put_back_if_the_new_one_cannot_take_its_place(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    write_text(folder / "weights", "old")

    def lose_the_new_one() -> bool:
        shutil.rmtree(staged)
        return False

    with (
        pytest.raises(FileNotFoundError),
        publish_folder(folder, may_stay=lose_the_new_one) as staged,
    ):
        write_text(staged / "weights", "new")
    assert (folder / "weights").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


PUBLISHER = """
import sys
from pathlib import Path
from atelier_store.files import publish_folder, write_bytes
for number in range(10**9):
    with publish_folder(Path(sys.argv[1])) as folder:
        for name in "ab":
            write_bytes(folder / name, str(number).encode())
"""


@pytest.mark.process
def test_a_killed_publisher_leaves_a_whole_folder_or_none(tmp_path: Path) -> None:
    path = tmp_path / "model"
    for _ in range(5):
        process = subprocess.Popen([sys.executable, "-c", PUBLISHER, str(path)])
        while not path.exists():
            time.sleep(0.01)
        time.sleep(0.05)
        process.kill()
        process.wait()
        assert not path.exists() or (path / "a").read_bytes() == (path / "b").read_bytes()
        assert all(p.name.startswith(TEMPORARY) for p in tmp_path.iterdir() if p != path)


def test_a_sha256_is_that_of_the_content(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"abc")
    assert sha256_file(tmp_path / "f") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def epoch(number: int) -> Epoch:
    return Epoch(
        epoch=number, metrics={"val_accuracy": number / 10}, seconds=1.0, finished_at="2026-01-02T03:04:05.678Z"
    )


def written(path: Path, count: int) -> bytes:
    for number in range(1, count + 1):
        append_epoch(path, epoch(number))
    return path.read_bytes()


def test_a_curve_reads_as_it_was_appended(tmp_path: Path) -> None:
    assert read_curve(tmp_path / "metrics.jsonl") == []
    written(tmp_path / "metrics.jsonl", 4)
    assert read_curve(tmp_path / "metrics.jsonl") == [epoch(n) for n in range(1, 5)]


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_curve_torn_anywhere_is_its_whole_lines_and_is_gone_on_with(
    tmp_path_factory: pytest.TempPathFactory, data: Any
) -> None:
    path = tmp_path_factory.mktemp("curve") / "metrics.jsonl"
    whole = written(path, 3)
    torn = whole[: data.draw(st.integers(0, len(whole)))]
    path.write_bytes(torn)
    kept = torn.count(b"\n")
    assert read_curve(path) == [epoch(n) for n in range(1, kept + 1)]
    truncate(path, kept)
    append_epoch(path, epoch(kept + 1))
    assert read_curve(path) == [epoch(n) for n in range(1, kept + 2)]


@pytest.mark.parametrize("keep", [0, 1, 2, 3, 9])
def test_truncating_keeps_the_first_epochs(tmp_path: Path, keep: int) -> None:
    path = tmp_path / "metrics.jsonl"
    written(path, 3)
    truncate(path, keep)
    assert [e.epoch for e in read_curve(path)] == [1, 2, 3][:keep]


def test_truncating_nothing_makes_no_file(tmp_path: Path) -> None:
    truncate(tmp_path / "metrics.jsonl", 2)
    assert list(tmp_path.iterdir()) == []


def test_a_line_out_of_order_ends_a_curve(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    for number in (1, 2, 2, 3):
        append_epoch(path, epoch(number))
    assert [e.epoch for e in read_curve(path)] == [1, 2]
