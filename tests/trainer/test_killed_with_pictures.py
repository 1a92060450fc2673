"""A trial of pictures that stay in their file may be killed anywhere: the next run ends with the same bits."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from functools import wraps
from itertools import count
from typing import Any

import numpy as np
import pytest
from atelier_store import pictures
from atelier_store.files import TEMPORARY
from atelier_store.layout import Store
from atelier_store.records import Card
from atelier_trainer import examples
from atelier_trainer.training import Training
from PIL import Image

from tests.support.encoding import encoded
from tests.support.workplace import Workplace, profile

pytestmark = pytest.mark.process

PICTURES = 96
NETWORK = ("stem_width=4", "stage1_width=4", "batch=8", "augment=shift_flip")


def in_their_file() -> None:
    """Leave pictures in their file, however few they are."""
    examples.RESIDENT = 0


def killed_before(owner: Any, name: str, call: int) -> None:
    """Have this process killed when it calls the function for the Nth time."""
    function: Callable[..., Any] = getattr(owner, name)
    calls = count(1)

    @wraps(function)
    def counted(*args: Any, **kwargs: Any) -> Any:
        if next(calls) == call:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*args, **kwargs)

    setattr(owner, name, counted)


def killed_while_it_decodes() -> None:
    killed_before(pictures, "pixels", PICTURES // 2)


def killed_while_it_trains() -> None:
    """In the middle of the second epoch: 61 pictures are trained on, 7 batches of 8."""
    in_their_file()
    killed_before(Training, "_train_batch", 7 + 4)


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    """A trial that was never killed, and held its pictures in memory."""
    work = Workplace(tmp_path_factory.mktemp("held"))
    end = work.run(photos(work), *NETWORK)
    assert end.code == 0, end.err
    return work


def photos(work: Workplace) -> Any:
    """A search on pictures of two classes in files."""
    for number in range(PICTURES):
        pixels = np.random.default_rng(number).integers(0, 256, (9, 8, 3), dtype=np.uint8)
        path = work.folder / "photos" / f"c{number % 2}" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded(Image.fromarray(pixels)))
    return profile(3, {"source": "images", "files": {"train": {"path": str(work.folder / "photos")}}})


def unfinished(store: Store) -> list[str]:
    return [path.name for path in store.root.rglob(f"{TEMPORARY}*")]


def bits(card: Card) -> tuple[object, ...]:
    """All of what a trial came to that is no time and no path."""
    files = {name: digest for name, digest in card.files.items() if name.endswith((".onnx", ".ckpt"))}
    assert len(files) == 2
    return card.status, card.key, card.epochs, card.weights_sha256, card.metrics, files


def test_pictures_whose_preparation_was_killed_are_prepared_again_and_nothing_of_it_stays(
    held: Workplace, work: Workplace
) -> None:
    assert work.run(photos(work), *NETWORK, before=killed_while_it_decodes).code == -signal.SIGKILL
    assert list(work.store.data_sources.glob("*.json")) == []
    assert len(unfinished(work.store)) == 1
    end = work.run(photos(work), *NETWORK, before=in_their_file)
    assert end.code == 0, end.err
    assert unfinished(work.store) == []
    assert bits(work.card) == bits(held.card)


def test_a_training_that_was_killed_in_an_epoch_goes_on_to_the_same_weights(held: Workplace, work: Workplace) -> None:
    assert work.run(photos(work), *NETWORK, before=killed_while_it_trains).code == -signal.SIGKILL
    assert work.card.status == "running"
    end = work.run(photos(work), *NETWORK, before=in_their_file)
    assert end.code == 0, end.err
    assert "resuming after epoch 1, batch 0" in end.err
    assert bits(work.card) == bits(held.card)
