"""Photos are changed as the papers say, equally for equal draws; a trial without changes is the trial that it was."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from atelier_trainer import checkpoint, photos
from atelier_trainer.photos import PhotoRecipe
from atelier_trainer.training import Rows, Training
from atelier_trial import space
from PIL import Image, ImageEnhance, ImageOps
from torch import Tensor

from tests.trainer.test_training import rows, training

RANDOM = np.random.default_rng(0)
PHOTOS = RANDOM.integers(30, 200, (3, 20, 16, 3)).astype(np.uint8)


def generator(purpose: str) -> torch.Generator:
    return torch.Generator().manual_seed(len(purpose))


def planes(x: np.ndarray = PHOTOS) -> Tensor:
    return torch.from_numpy(x).permute(0, 3, 1, 2).float()


def pixels(planes: Tensor) -> np.ndarray:
    found: np.ndarray = planes.round().clamp(0, 255).byte().permute(0, 2, 3, 1).numpy()
    return found


def factors(value: float) -> Tensor:
    return torch.full((len(PHOTOS),), value)


SAME: dict[str, tuple[Callable[[Tensor], Tensor], Callable[[Image.Image], Image.Image], int]] = {
    "posterize": (lambda x: photos.posterize(x, 3), lambda x: ImageOps.posterize(x, 3), 0),
    "solarize": (lambda x: photos.solarize(x, 128), lambda x: ImageOps.solarize(x, 128), 0),
    "autocontrast": (photos.autocontrast, ImageOps.autocontrast, 1),
    "equalize": (photos.equalize, ImageOps.equalize, 0),
    "brightness": (lambda x: photos.brightness(x, factors(1.4)), lambda x: ImageEnhance.Brightness(x).enhance(1.4), 1),
    "contrast": (lambda x: photos.contrast(x, factors(0.6)), lambda x: ImageEnhance.Contrast(x).enhance(0.6), 1),
    "saturation": (lambda x: photos.saturation(x, factors(0.3)), lambda x: ImageEnhance.Color(x).enhance(0.3), 1),
    "sharpness": (lambda x: photos.sharpness(x, factors(1.7)), lambda x: ImageEnhance.Sharpness(x).enhance(1.7), 2),
}
"""Ours, Pillow's, and by how much rounding may differ."""


@pytest.mark.parametrize("name", SAME)
def test_an_operation_on_colours_is_that_of_pillow(name: str) -> None:
    ours, pillows, tolerance = SAME[name]
    expected = np.stack([np.asarray(pillows(Image.fromarray(photo))) for photo in PHOTOS])
    np.testing.assert_allclose(pixels(ours(planes())).astype(int), expected.astype(int), atol=tolerance)


def test_a_picture_is_turned_and_moved_without_regard_to_its_aspect() -> None:
    turned = pixels(photos.rotate(planes(), factors(180.0)))
    np.testing.assert_allclose(turned.astype(int), PHOTOS[:, ::-1, ::-1].astype(int), atol=1)
    square = PHOTOS[:, :16]
    quarter = pixels(photos.rotate(planes(square), factors(90.0)))
    assert np.abs(quarter.astype(int) - np.rot90(square, -1, (1, 2)).astype(int)).max() <= 1 or (
        np.abs(quarter.astype(int) - np.rot90(square, 1, (1, 2)).astype(int)).max() <= 1
    )
    moved = pixels(photos.translate(planes(), factors(0.25), factors(0.0)))
    np.testing.assert_array_equal(moved[:, :, :12], PHOTOS[:, :, 4:])
    assert not moved[:, :, 12:].any()
    sheared = pixels(photos.shear(planes(), factors(0.0), factors(0.0)))
    np.testing.assert_array_equal(sheared, PHOTOS)


def test_a_crop_keeps_a_part_of_the_picture_in_its_size() -> None:
    ramp = np.broadcast_to(np.arange(0, 240, 10, dtype=np.uint8)[:, None], (50, 24, 24)).copy()
    found = photos.change(torch.from_numpy(ramp), PhotoRecipe(crop=0.25), generator)
    assert found.shape == ramp.shape and found.dtype == torch.uint8
    inner = found[:, 1:-1, 1:-1].float()
    spread = inner.amax((1, 2)) - inner.amin((1, 2))
    assert 60 < spread.min() < 160 < spread.max()  # between an edge of a half and the whole
    assert len({tuple(one.flatten().tolist()) for one in found}) > 30  # where all of the height is kept, some are equal


ALL = PhotoRecipe(crop=0.5, colour=0.4, magnitude=20)


@pytest.mark.parametrize("shape", [(20, 16, 3), (20, 16), (20, 16, 1), (2, 2, 3)])
def test_changes_are_equal_for_equal_draws_and_keep_shape_and_type(shape: tuple[int, ...]) -> None:
    x = torch.from_numpy(RANDOM.integers(0, 256, (60, *shape)).astype(np.uint8))
    before = x.clone()
    first, second = photos.change(x, ALL, generator), photos.change(x, ALL, generator)
    assert torch.equal(first, second) and torch.equal(x, before)
    assert (first.shape, first.dtype) == (x.shape, x.dtype)
    assert not torch.equal(first, photos.change(x, ALL, lambda purpose: torch.Generator().manual_seed(99)))
    assert photos.change(x, PhotoRecipe(mixup=1.0), generator) is x


def test_mixup_adds_pictures_up_by_the_share_of_their_targets() -> None:
    x = torch.from_numpy(PHOTOS)
    mixed, how = photos.mix(x, PhotoRecipe(mixup=0.4), seed=5)
    assert how is not None and 0 < how.share < 1
    assert torch.equal(mixed, how.share * x.float() + (1 - how.share) * x[how.order].float())
    again, _ = photos.mix(x, PhotoRecipe(mixup=0.4), seed=5)
    assert torch.equal(again, mixed)


def test_cutmix_puts_a_box_of_another_picture_into_each() -> None:
    x = torch.arange(8, dtype=torch.uint8).reshape(8, 1, 1).expand(8, 30, 40).contiguous()
    shares = []
    for seed in range(20):
        mixed, how = photos.mix(x, PhotoRecipe(cutmix=1.0), seed)
        assert how is not None and mixed.dtype == torch.uint8
        left = (mixed == x).float().mean((1, 2))[how.order != torch.arange(8)]
        assert torch.allclose(left, torch.tensor(how.share), atol=1e-6)
        shares.append(how.share)
    assert min(shares) < 0.4 and max(shares) > 0.8
    both = [photos.mix(x, PhotoRecipe(mixup=1.0, cutmix=1.0), seed)[0].dtype for seed in range(20)]
    assert set(both) == {torch.uint8, torch.float32}


PARAMETERS = {
    "augment_crop": "0.4",
    "augment_colour": "0.3",
    "augment_magnitude": "9",
    "augment_mixup": "0.2",
    "augment_cutmix": "1",
}


def test_a_parameter_at_its_default_is_not_in_the_canonical_form() -> None:
    defaults = {name: str(domain.default) for name, domain in space.photo_domains("images").items()}
    assert defaults.keys() == PARAMETERS.keys()
    plain = space.canonicalise({}, "images", "classification")
    assert space.canonicalise(defaults, "images", "classification") == plain
    chosen = space.canonicalise(PARAMETERS, "images", "classification")
    assert {name: value for name, value in chosen.items() if name not in plain} == {
        name: space.photo_domains("images")[name].parse(value) for name, value in PARAMETERS.items()
    }
    assert PhotoRecipe.of(chosen) == PhotoRecipe(0.4, 0.3, 9, 0.2, 1.0)
    with pytest.raises(space.InvalidParams, match="augment_crop: unknown parameter"):
        space.canonicalise({"augment_crop": "0.5"}, "signals", "classification")


@pytest.mark.training
def test_a_training_with_every_change_resumes_with_the_same_bits_and_scores_without_them() -> None:
    def digest(pause: bool) -> str:
        trained = training(None, 0, **PARAMETERS)
        losses = [trained.train_epoch(lambda: False)]
        if pause:
            state, trained = trained.state_dict(), training(None, 0, **PARAMETERS)
            trained.load_state_dict(state)
        losses.append(trained.train_epoch(lambda: False))
        assert all(np.isfinite(losses))
        assert trained.evaluate(rows()) == trained.evaluate(rows())
        return checkpoint.weights_sha256(trained.averaged)

    assert digest(pause=True) == digest(pause=False)


@pytest.mark.training
@pytest.mark.parametrize("mix", ["mixup", "cutmix"])
def test_the_label_of_an_example_that_weighs_nothing_does_not_count_where_it_is_mixed_in(mix: str) -> None:
    def digest(labels: int) -> str:
        of = training(None, 0, **{f"augment_{mix}": "1.0"})
        weight = (torch.arange(len(of.rows)) % 2).float()
        y = torch.where(weight > 0, of.rows.y, labels)
        found = Training(of.model, of.task, of.kind, Rows(of.rows.x, y, weight), of.recipe, of.precision)
        found.train_epoch(lambda: False)
        return checkpoint.weights_sha256(found.model)

    assert digest(0) == digest(3)
