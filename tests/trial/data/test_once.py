"""Data are prepared once for a store, in little memory, and nothing stays of data that are refused."""

from __future__ import annotations

import threading
import tracemalloc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from atelier_store import arrays
from atelier_store.lease import LeaseHeld
from atelier_store.spec import Data
from atelier_trial.ahead import ahead
from atelier_trial.data import Prepared, load, prepare, progress
from PIL import Image

from tests.trial.place import Place

CALLS: list[str] = []
WAITED_FOR = threading.Event()


def slow() -> tuple[np.ndarray, np.ndarray]:
    """Data that take until somebody waits for them."""
    CALLS.append("slow")
    assert WAITED_FOR.wait(60)
    return np.arange(40.0).reshape(20, 2), np.arange(20) % 2


@pytest.fixture
def calls() -> Iterator[list[str]]:
    CALLS.clear()
    WAITED_FOR.clear()
    yield CALLS


DATA = Data.model_validate({"source": f"{__name__}:slow"})


def test_of_two_that_need_the_same_data_one_prepares_and_the_other_waits(place: Place, calls: list[str]) -> None:
    steps: list[str] = []

    def tell(step: str) -> None:
        steps.append(step)
        if step.startswith("waiting for preparation of"):
            WAITED_FOR.set()

    def one(_: int) -> Prepared:
        return prepare(DATA, place.store, place.folder, None, 0, tell)

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(one, range(2))
    assert calls == ["slow"]
    assert first == second
    assert [step for step in steps if step.startswith("waiting")]
    assert [path.suffix for path in place.store.data_sources.iterdir()] == [".json"]


def test_who_is_asked_to_stop_does_not_wait_for_another_preparation(place: Place, calls: list[str]) -> None:
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(prepare, DATA, place.store, place.folder, None, 0)
        while not calls:
            assert not first.done()
        with pytest.raises(LeaseHeld, match="preparation of"):
            prepare(DATA, place.store, place.folder, None, 0, stop=lambda: True)
        WAITED_FOR.set()
        assert first.result().train_rows == 16


def test_refused_data_leave_no_folder(place: Place) -> None:
    place.refused("npz", **place.npz(np.arange(40.0).reshape(20, 2), np.zeros(20)))
    assert not place.store.root.exists()


def test_pictures_are_never_in_memory_together(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    count, side = 120, 96
    monkeypatch.setattr(arrays, "PART", 100_000)

    def pictures(name: str, count: int) -> Data:
        for number in range(count):
            folder = place.folder / name / f"c{number % 2}"
            folder.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (side, side), (number, 0, number % 7)).save(folder / f"{number}.png")
        return Data.model_validate({"source": "images", "files": {"train": {"path": name}}})

    prepare(pictures("few", 20), place.store, place.folder, None, 0)  # imports what the first preparation does
    data = pictures("pics", count)
    tracemalloc.start()
    try:
        description = prepare(data, place.store, place.folder, None, 0)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    held = load(place.store, description)
    assert held.train_x.nbytes + held.test_x.nbytes == count * side * side * 3
    assert peak < count * side * side * 3 / 2
    shades = np.concatenate([held.train_x, held.test_x])[:, 5, 5]
    assert {tuple(shade) for shade in shades.tolist()} == {(number, 0, number % 7) for number in range(count)}
    assert (held.train_x[:, 0, 0, 0] % 2 == held.train_y).all()


def test_every_pass_over_many_pictures_says_how_far_it_is(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "EVERY", -1.0)
    told: list[str] = []
    for number in range(20):
        path = place.folder / "pics" / f"c{number % 2}" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (4, 4), number).save(path)

    place.prepare("images", told.append, files={"train": {"path": "pics"}})

    wanted = ("hashed 20 files of pics", "looked at 20 pictures of pics", "decoded 16 of 16 pictures of pics")
    assert {f"{words} …" for words in wanted} <= set(told)


def test_what_is_read_ahead_comes_in_order_and_ends_with_its_error(tmp_path: Path) -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for number in range(100):
            taken.append(number)
            yield number

    def square(number: int) -> int:
        if number == 50:
            raise OSError("gone")
        return number**2

    found = ahead(square, items(), threads=2)
    assert [next(found) for _ in range(10)] == [number**2 for number in range(10)]
    assert len(taken) <= 15
    with pytest.raises(OSError, match="gone"):
        list(found)
    assert len(taken) <= 56
