"""`last.ckpt`: everything to go on from, whole or not there."""

from __future__ import annotations

import hashlib
import io
import pickle
from pathlib import Path
from typing import Any

import torch
from atelier_store.files import write_with
from torch import Tensor, nn


class TornCheckpoint(ValueError):
    """A checkpoint that cannot be read or is of another network."""


def save(path: Path, state: dict[str, Any]) -> None:
    """Replace the checkpoint, atomically. OSError as the file system says it.

    torch writes to memory: on a full disk it would raise a RuntimeError about positions in its archive.
    """
    content = io.BytesIO()
    torch.save(state, content)
    write_with(path, lambda file: file.write(content.getbuffer()))


def load(path: Path, device: torch.device) -> dict[str, Any]:
    """The state that was saved: tensors, numbers and strings only. FileNotFoundError; TornCheckpoint."""
    try:
        state = torch.load(path, map_location=device, weights_only=True)
    except FileNotFoundError:
        raise
    except (RuntimeError, EOFError, ValueError, KeyError, OSError, pickle.UnpicklingError) as error:
        raise TornCheckpoint(f"{path}: {error}") from error
    if not isinstance(state, dict):
        raise TornCheckpoint(f"{path}: holds no state")
    return state


def weights_sha256(module: nn.Module) -> str:
    """sha256 over names, types, shapes and bytes of a module's parameters and buffers, in order of name."""
    digest = hashlib.sha256()
    for name, digest_of in sorted(tensor_digests(module).items()):
        digest.update(f"{name} {digest_of}\n".encode())
    return digest.hexdigest()


def tensor_digests(module: nn.Module) -> dict[str, str]:
    """For each parameter and buffer, the sha256 over its type, shape and bytes."""
    return {name: _tensor_digest(tensor) for name, tensor in module.state_dict().items()}


def _tensor_digest(tensor: Tensor) -> str:
    array = tensor.detach().cpu().contiguous().numpy()
    return hashlib.sha256(f"{array.dtype} {array.shape} ".encode() + array.tobytes()).hexdigest()
