"""Whether a network of the user's own can be served as it is trained; asked before it is trained.

Export records what the network does to one example. What it does otherwise for other values or other batches is lost,
without an error: so an untrained copy is exported, and compared with torch on batches of other sizes.
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import torch
from atelier_store.in_words import counted
from atelier_store.spec import Task
from numpy.typing import NDArray
from torch import Tensor

from atelier_trainer import export
from atelier_trainer.export import CannotExport
from atelier_trainer.model import Answer, Model

BATCHES = (1, 2, 3, 200)
TOLERANCE = 0.01
"""Share of the spread of the answers by which they may differ: more than rounding, less than another computation."""


def check(model: Model, task: Task, rows: Tensor, outputs: int) -> None:
    """Raise CannotExport, with what the tracer said, unless ONNX Runtime answers raw rows (N, *shape) as torch does."""
    copied = copy.deepcopy(model).eval().cpu()
    _check_shapes(copied, rows, outputs)
    try:
        onnx, warned = export.traced(copied, task, rows[:1])
    except Exception as error:
        raise CannotExport(f"it cannot be exported as ONNX: {type(error).__name__}: {error}") from error
    said = f"; the tracer: {'; '.join(warned)}" if warned else ""
    answer = Answer(copied, task).eval()
    if warned and _depends_on_values(answer, rows):
        raise CannotExport(f"what it computes depends on the values of its input, which ONNX cannot record{said}")
    with torch.inference_mode():
        single = torch.cat([answer(row[None]) for row in rows[: max(BATCHES)]]).numpy()
        for size in BATCHES:
            together = answer(rows[:size]).numpy()
            if _differ(together, single[:size]):
                raise CannotExport(f"a row's answer depends on the other rows of its batch, or on chance{said}")
            if _differ(_served(onnx, rows[:size].numpy(), said), together):
                raise CannotExport(f"exported, it answers {counted(len(together), 'row')} otherwise than torch{said}")


def _check_shapes(model: Model, rows: Tensor, outputs: int) -> None:
    with torch.inference_mode():
        for size in (1, 3):
            given, wanted = tuple(model(rows[:size]).shape), (len(rows[:size]), outputs)
            if given != wanted:
                raise CannotExport(
                    f"it gives {given} for {counted(wanted[0], 'row')}; allowed: {wanted}, rows by outputs"
                )


def _depends_on_values(answer: Answer, rows: Tensor) -> bool:
    """Whether it cannot compute without values: with shapes alone, which a trace may well depend on."""
    try:
        with torch.device("meta"), torch.inference_mode():
            copy.deepcopy(answer).to("meta")(rows[:2].to("meta"))
    except Exception:  # whatever the user's code raises of a value that is not there
        return True
    return False


def _served(onnx: bytes, rows: NDArray[Any], said: str) -> NDArray[Any]:
    try:
        answers: NDArray[Any] = export.session(onnx, threads=1).run(None, {export.INPUT: rows})[0]
    except Exception as error:
        raise CannotExport(f"exported, it does not answer {counted(len(rows), 'row')}{said}: {error}") from error
    return answers


def _differ(a: NDArray[Any], b: NDArray[Any]) -> bool:
    """Whether two answers are not the same but for rounding; what is not finite in both is the training's to find."""
    if a.shape != b.shape or (np.isfinite(a) != np.isfinite(b)).any():
        return True
    a, b = a[np.isfinite(a)], b[np.isfinite(b)]
    if not b.size:
        return False
    bound = max(TOLERANCE * float(np.ptp(b)), 1e-5 * float(np.abs(b).max()))
    return float(np.abs(a - b).max()) > bound
