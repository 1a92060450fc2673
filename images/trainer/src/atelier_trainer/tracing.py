"""A module of torch as ONNX, by tracing."""

from __future__ import annotations

import contextlib
import sys
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

OPSET = 18
TRACER_WARNING = "TracerWarning"


def trace(module: nn.Module, example: Sequence[Tensor], inputs: Sequence[str], output: str) -> tuple[bytes, list[str]]:
    """The module in ONNX, for a batch of any size, and what the tracer warns of.

    example holds one row of every input. What the tracer cannot follow is a constant in what is exported.
    """
    with (
        warnings.catch_warnings(record=True) as warned,
        contextlib.redirect_stdout(sys.stderr),  # it prints a graph when it fails, where only metrics may be
        tempfile.TemporaryDirectory() as folder,
    ):
        warnings.simplefilter("always")  # the exporter also announces its successor, which takes 7 s instead of 0.3
        torch.onnx.export(
            module,
            tuple(example),
            Path(folder) / "network",
            dynamo=False,
            opset_version=OPSET,
            input_names=list(inputs),
            output_names=[output],
            dynamic_axes={name: {0: "batch"} for name in (*inputs, output)},
        )
        told = [_told(one) for one in warned if one.category.__name__ == TRACER_WARNING]
        return (Path(folder) / "network").read_bytes(), list(dict.fromkeys(told))


def _told(warning: warnings.WarningMessage) -> str:
    """The first sentence of a warning, and the line that it is about."""
    return f"{str(warning.message).split('. ')[0]} ({Path(warning.filename).name}:{warning.lineno})"
