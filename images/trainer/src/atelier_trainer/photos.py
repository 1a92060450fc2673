"""Random changes of photos, each drawn from its place in the training, so that a batch can be reproduced.

Geometry and colour are changed where the pictures are, before the network standardises them: uint8 (N, H, W) or
(N, H, W, C) stays what it is.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Generator, Tensor
from torch.nn import functional

MOST_MAGNITUDE = 30
"""RandAugment's largest magnitude; its changes grow in proportion."""

OPERATIONS = 2
"""Of RandAugment, one after the other, on each picture."""

ASPECTS = (3 / 4, 4 / 3)
"""Of the part that a crop keeps, width to height."""


@dataclass(frozen=True)
class PhotoRecipe:
    """How much photos are changed; at these defaults they are not.

    crop: the least share of the area that is kept. colour: the strength of changes in brightness, contrast and
    saturation. magnitude: RandAugment's. mixup and cutmix: the parameter of the beta distribution of their shares.
    """

    crop: float = 1.0
    colour: float = 0.0
    magnitude: int = 0
    mixup: float = 0.0
    cutmix: float = 0.0

    @classmethod
    def of(cls, params: dict[str, Any]) -> PhotoRecipe:
        """The recipe in a trial's canonical params."""
        found = {name: params[f"augment_{name}"] for name in cls.__dataclass_fields__ if f"augment_{name}" in params}
        return cls(**found)


UNCHANGED = PhotoRecipe()


@dataclass(frozen=True)
class Mix:
    """Each example of a batch is mixed with the one at its place in order, of which share is not."""

    share: float
    order: Tensor


def change(x: Tensor, recipe: PhotoRecipe, generator: Callable[[str], Generator]) -> Tensor:
    """Changed copies of pictures uint8 (N, H, W) or (N, H, W, C); generator(purpose) gives the draws."""
    if recipe == PhotoRecipe(mixup=recipe.mixup, cutmix=recipe.cutmix):
        return x
    planes = (x.unsqueeze(1) if x.dim() == 3 else x.permute(0, 3, 1, 2)).float()
    if recipe.crop < 1:
        planes = crop_resize(planes, recipe.crop, generator("crop"))
    if recipe.colour > 0:
        planes = colour(planes, recipe.colour, generator("colour"))
    if recipe.magnitude > 0:
        planes = rand_augment(planes, recipe.magnitude, generator("magnitude"))
    pixels = planes.round().clamp(0, 255).to(torch.uint8)
    return pixels.squeeze(1) if x.dim() == 3 else pixels.permute(0, 2, 3, 1).contiguous()


def mix(x: Tensor, recipe: PhotoRecipe, seed: int) -> tuple[Tensor, Mix | None]:
    """Pictures mixed with others of their batch, by mixup or CutMix; of both, each batch draws one.

    mixup (Zhang et al. 2018) adds them up by a share; CutMix (Yun et al. 2019) puts a box of the other into each, and
    the share is that of the area that is left.
    """
    if recipe.mixup == recipe.cutmix == 0:
        return x, None
    random = np.random.RandomState(seed % 2**32)  # its stream is frozen for good
    is_cut = recipe.mixup == 0 or (recipe.cutmix > 0 and random.uniform() < 0.5)
    alpha = recipe.cutmix if is_cut else recipe.mixup
    share, order = float(random.beta(alpha, alpha)), torch.from_numpy(random.permutation(len(x)))
    if not is_cut:
        return share * x.float() + (1 - share) * x[order].float(), Mix(share, order)
    height, width = x.shape[1:3]
    top, bottom = _side(height, share, random.uniform())
    left, right = _side(width, share, random.uniform())
    mixed = x.clone()
    mixed[:, top:bottom, left:right] = x[order, top:bottom, left:right]
    return mixed, Mix(1 - (bottom - top) * (right - left) / (height * width), order)


def _side(size: int, share: float, centre: float) -> tuple[int, int]:
    """Where a box begins and ends whose sides leave this share of an area; it may lie partly outside."""
    half, middle = size * math.sqrt(1 - share) / 2, centre * size
    return max(0, round(middle - half)), min(size, round(middle + half))


# of planes, float (N, C, H, W) from 0 to 255


def crop_resize(planes: Tensor, least: float, generator: Generator) -> Tensor:
    """A part of each picture in full size, as in Szegedy et al. 2015: least to 1 of its area, in a near aspect."""
    area, aspect, across, down = torch.rand((4, len(planes)), generator=generator)
    area = least + (1 - least) * area
    low, high = map(math.log, ASPECTS)
    ratio = torch.exp(low + (high - low) * aspect)
    width, height = (area * ratio).sqrt().clamp(max=1), (area / ratio).sqrt().clamp(max=1)
    zero = torch.zeros_like(width)
    left, top = (2 * across - 1) * (1 - width), (2 * down - 1) * (1 - height)
    return _warped(planes, width, zero, left, zero, height, top, padding="border")


def colour(planes: Tensor, strength: float, generator: Generator) -> Tensor:
    """Brightness, contrast and saturation, in this order, times 1 - strength to 1 + strength (Howard 2013)."""
    for factor, operation in zip(
        torch.rand((3, len(planes)), generator=generator), (brightness, contrast, saturation), strict=True
    ):
        planes = operation(planes, 1 + strength * (2 * factor - 1))
    return planes


def rand_augment(planes: Tensor, magnitude: int, generator: Generator) -> Tensor:
    """Operations drawn for each picture, all of one magnitude (Cubuk et al. 2020): the ranges are AutoAugment's."""
    names = list(CHANGES)
    for _ in range(OPERATIONS):
        chosen = torch.randint(len(names), (len(planes),), generator=generator)
        sign = 1.0 - 2.0 * torch.randint(2, (len(planes),), generator=generator)
        amount = sign * (magnitude / MOST_MAGNITUDE)
        changed = planes.clone()
        for number, name in enumerate(names):
            rows = (chosen == number).nonzero().squeeze(1)
            if len(rows):
                changed[rows] = CHANGES[name](planes[rows], amount[rows])
        planes = changed
    return planes


def brightness(planes: Tensor, factor: Tensor) -> Tensor:
    """Times the factor (N,)."""
    return _blended(torch.zeros_like(planes), planes, factor)


def contrast(planes: Tensor, factor: Tensor) -> Tensor:
    """The distance from the picture's mean grey, times the factor (N,)."""
    return _blended(_grey(planes).mean((1, 2, 3), keepdim=True).round(), planes, factor)


def saturation(planes: Tensor, factor: Tensor) -> Tensor:
    """The distance of each pixel from its grey, times the factor (N,)."""
    return _blended(_grey(planes).expand_as(planes), planes, factor)


def sharpness(planes: Tensor, factor: Tensor) -> Tensor:
    """The distance from the picture smoothed, times the factor (N,); at the border it stays."""
    if min(planes.shape[2:]) < 3:
        return planes
    kernel = torch.tensor([[1.0, 1, 1], [1, 5, 1], [1, 1, 1]]) / 13
    flat = planes.reshape(-1, 1, *planes.shape[2:])
    smooth = flat.clone()
    smooth[:, :, 1:-1, 1:-1] = functional.conv2d(flat, kernel[None, None])
    return _blended(smooth.reshape(planes.shape).round(), planes, factor)


def posterize(planes: Tensor, bits: int) -> Tensor:
    """The upper bits of each value."""
    step = float(2 ** (8 - bits))
    levels: Tensor = (planes / step).floor() * step
    return levels


def solarize(planes: Tensor, threshold: float) -> Tensor:
    """Values from the threshold on are turned around."""
    return torch.where(planes < threshold, planes, 255 - planes)


def autocontrast(planes: Tensor) -> Tensor:
    """Each channel from its darkest value to its lightest becomes 0 to 255."""
    low, high = planes.amin((2, 3), keepdim=True), planes.amax((2, 3), keepdim=True)
    return torch.where(high > low, (planes - low) * (255 / (high - low).clamp(min=1)), planes)


def equalize(planes: Tensor) -> Tensor:
    """Each channel with as many pixels of every value, as near as that goes."""
    values = planes.round().clamp(0, 255).long().flatten(2).flatten(0, 1)
    counts = torch.zeros((len(values), 256), dtype=torch.int64).scatter_add_(1, values, torch.ones_like(values))
    last = counts.gather(1, values.amax(1, keepdim=True))
    step = (values.shape[1] - last) // 255
    table = ((counts.cumsum(1) - counts + step // 2) // step.clamp(min=1)).clamp(max=255)
    equal = torch.where(step > 0, table.gather(1, values), values)
    return equal.reshape(planes.shape).float()


def rotate(planes: Tensor, degrees: Tensor) -> Tensor:
    """Turned about its middle by degrees (N,)."""
    angle = torch.deg2rad(degrees)
    ratio, zero = planes.shape[2] / planes.shape[3], torch.zeros_like(angle)
    cosine, sine = torch.cos(angle), torch.sin(angle)
    return _warped(planes, cosine, -sine * ratio, zero, sine / ratio, cosine, zero)


def shear(planes: Tensor, across: Tensor, down: Tensor) -> Tensor:
    """Sheared by these shares of its height or width (N,)."""
    one, zero = torch.ones_like(across), torch.zeros_like(across)
    ratio = planes.shape[2] / planes.shape[3]
    return _warped(planes, one, across * ratio, zero, down / ratio, one, zero)


def translate(planes: Tensor, across: Tensor, down: Tensor) -> Tensor:
    """Moved by these shares of its width or height (N,)."""
    one, zero = torch.ones_like(across), torch.zeros_like(across)
    return _warped(planes, one, zero, 2 * across, zero, one, 2 * down)


CHANGES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "identity": lambda x, _: x,
    "autocontrast": lambda x, _: autocontrast(x),
    "equalize": lambda x, _: equalize(x),
    "rotate": lambda x, amount: rotate(x, 30 * amount),
    "posterize": lambda x, amount: posterize(x, 8 - round(4 * float(amount[0].abs()))),
    "solarize": lambda x, amount: solarize(x, 256 * (1 - float(amount[0].abs()))),
    "colour": lambda x, amount: saturation(x, 1 + 0.9 * amount),
    "contrast": lambda x, amount: contrast(x, 1 + 0.9 * amount),
    "brightness": lambda x, amount: brightness(x, 1 + 0.9 * amount),
    "sharpness": lambda x, amount: sharpness(x, 1 + 0.9 * amount),
    "shear_x": lambda x, amount: shear(x, 0.3 * amount, 0 * amount),
    "shear_y": lambda x, amount: shear(x, 0 * amount, 0.3 * amount),
    "translate_x": lambda x, amount: translate(x, 0.45 * amount, 0 * amount),
    "translate_y": lambda x, amount: translate(x, 0 * amount, 0.45 * amount),
}
"""RandAugment's operations; amount (N,) is the magnitude from 0 to 1 with a sign."""


def _blended(base: Tensor, planes: Tensor, factor: Tensor) -> Tensor:
    """From base (factor 0) by way of planes (1) beyond, within 0 to 255."""
    return (base + factor.reshape(-1, 1, 1, 1) * (planes - base)).clamp(0, 255)


def _grey(planes: Tensor) -> Tensor:
    """(N, 1, H, W), by the weights of ITU-R BT.601."""
    if planes.shape[1] < 3:
        return planes[:, :1]
    return (0.299 * planes[:, :1] + 0.587 * planes[:, 1:2] + 0.114 * planes[:, 2:3]).round()


def _warped(planes: Tensor, *matrix: Tensor, padding: str = "zeros") -> Tensor:
    """Each pixel from its place times a 2 x 3 matrix, whose numbers (N,) come row by row."""
    theta = torch.stack(matrix, 1).reshape(-1, 2, 3)
    grid = functional.affine_grid(theta, list(planes.shape), align_corners=False)
    return functional.grid_sample(planes, grid, mode="bilinear", padding_mode=padding, align_corners=False)
