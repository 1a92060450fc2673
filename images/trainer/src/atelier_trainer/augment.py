"""Augmentation of a raw batch, drawn from a generator, so that a batch can be reproduced."""

from __future__ import annotations

import torch
from torch import Generator, Tensor


def augment(batch: Tensor, name: str, generator: Generator, noise_scale: Tensor) -> Tensor:
    """A changed copy of a raw batch (N, …); name is made of shift, flip, cutout and noise joined by _, or is none.

    shift moves an example by up to an eighth of its size and fills with zeros; flip mirrors images; cutout blanks a
    square of half the size; noise adds a tenth of noise_scale, the standard deviation of the training rows.
    """
    for step in name.split("_") if name != "none" else ():
        if step == "flip":
            chosen = torch.rand(len(batch), generator=generator) < 0.5
            batch = torch.where(_per_example(chosen, batch), batch.flip(2), batch)
        elif step == "noise":
            batch = batch + 0.1 * noise_scale * torch.randn(batch.shape, generator=generator)
        elif step == "cutout":
            batch = cutout(batch, generator)
        elif step == "shift":
            for dim in (1, 2) if batch.dtype == torch.uint8 else (1,):
                batch = shift(batch, dim, generator)
    return batch


def shift(batch: Tensor, dim: int, generator: Generator) -> Tensor:
    """Every example moved along dim by its own whole number of places, zeros where nothing was."""
    size = batch.shape[dim]
    reach = max(1, size // 8)
    moves = torch.randint(-reach, reach + 1, (len(batch), 1), generator=generator)
    source = torch.arange(size) - moves
    inside = (source >= 0) & (source < size)
    layout = [len(batch)] + [1] * (batch.dim() - 1)
    layout[dim] = size
    index = source.clamp(0, size - 1).reshape(layout).expand(batch.shape)
    return batch.gather(dim, index) * inside.reshape(layout)


def cutout(batch: Tensor, generator: Generator) -> Tensor:
    """Every image with a square of half its size blanked, partly outside at times (DeVries & Taylor 2017)."""
    keep = torch.ones((), dtype=torch.bool)
    for dim in (1, 2):
        size = batch.shape[dim]
        centre = torch.randint(0, size, (len(batch), 1), generator=generator)
        inside = (torch.arange(size) - centre).abs() <= size // 4
        layout = [len(batch)] + [1] * (batch.dim() - 1)
        layout[dim] = size
        keep = keep & inside.reshape(layout)
    return batch * ~keep


def _per_example(mask: Tensor, batch: Tensor) -> Tensor:
    return mask.reshape([len(batch)] + [1] * (batch.dim() - 1))
