"""Built-in networks: every operation builds, trains a step and answers the same in ONNX Runtime."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from atelier_store.records import TrialConfig
from atelier_store.spec import Kind, Task
from atelier_trainer import describe, export, model
from atelier_trainer.training import Recipe, Rows, Training
from atelier_trial import space
from atelier_trial.data import input_statistics

pytestmark = pytest.mark.training

SHAPES: dict[Kind, list[tuple[int, ...]]] = {"images": [(9, 7), (8, 8, 3)], "signals": [(30,), (17, 2)], "rows": [(5,)]}


def raw(kind: Kind, shape: tuple[int, ...], n: int = 24) -> np.ndarray:
    generator = np.random.default_rng(0)
    if kind == "images":
        return generator.integers(0, 256, (n, *shape), dtype=np.uint8)
    return generator.normal(3, 2, (n, *shape)).astype(np.float32)


def trained(
    kind: Kind, shape: tuple[int, ...], task: Task, **params: str
) -> tuple[Training, np.ndarray, dict[str, Any]]:
    x = raw(kind, shape)
    y = np.arange(len(x)) % 3 if task == "classification" else x.reshape(len(x), -1)[:, :2].astype(np.float32)
    canonical = space.canonicalise({"batch": "8", "stage2_depth": "2", **params}, kind, task)
    torch.manual_seed(0)
    outputs = 3 if task == "classification" else 2
    built = model.build(
        "atelier",
        canonical,
        kind,
        model.statistics(input_statistics(x, kind), y, task),
        shape,
        outputs,
        torch.from_numpy(x),
    )
    rows = Rows(torch.from_numpy(x), torch.from_numpy(y))
    training = Training(built, task, kind, rows, Recipe.of(canonical, 0, None), "float32")
    training.train_epoch(lambda: False)
    return training, x, canonical


CASES = [
    (kind, shape, op)
    for kind, shapes in SHAPES.items()
    for shape in shapes
    for op in (space.LAYERS if kind == "rows" else space.CONVOLUTIONS)
]


@pytest.mark.parametrize(("kind", "shape", "op"), CASES)
def test_onnx_answers_as_torch_does_for_every_operation_and_any_batch(
    kind: Kind, shape: tuple[int, ...], op: str
) -> None:
    extra = {} if kind == "rows" else {"se": "true", "head": "avgmax"}
    augmentation = {"images": "shift_flip_cutout", "signals": "shift_noise", "rows": "noise"}[kind]
    params = {"stage1_op": op, "stage2_op": op, "activation": "silu", "augment": augmentation, **extra}
    training, x, _ = trained(kind, shape, "classification", **params)
    answers = training.answers(torch.from_numpy(x))
    onnx = export.to_onnx(training.averaged, "classification", torch.from_numpy(x[:1]))
    found = export.parity(onnx, [{export.INPUT: x}], answers, "classification", threads=1)
    assert found.argmax_equal is True
    assert found.max_abs_difference < 1e-4
    np.testing.assert_allclose(answers.sum(1), 1, rtol=1e-5)


@pytest.mark.parametrize("kind", ["images", "signals", "rows"])
def test_a_regression_answers_in_the_unit_of_its_targets(kind: Kind) -> None:
    training, x, _ = trained(kind, SHAPES[kind][0], "regression")
    answers = training.answers(torch.from_numpy(x))
    targets = x.reshape(len(x), -1)[:, :2]
    assert answers.shape == (24, 2)
    assert abs(answers.mean() - targets.mean()) < 2 * targets.std()
    onnx = export.to_onnx(training.averaged, "regression", torch.from_numpy(x[:1]))
    assert export.parity(onnx, [{export.INPUT: x}], answers, "regression", threads=1).max_abs_difference < 1e-2


@pytest.mark.parametrize("op", space.CONVOLUTIONS)
def test_macs_and_params_are_those_counted_by_hand(op: str) -> None:
    params = {"stem_width": "4", "stage1_depth": "1", "stage1_width": "6", "stage1_op": op, "stage2_depth": "0"}
    canonical = space.canonicalise(params, "images", "classification")
    x = raw("images", (8, 8))
    built = model.build(
        "atelier",
        canonical,
        "images",
        model.statistics(input_statistics(x, "images"), np.zeros(24), "classification"),
        (8, 8),
        3,
        torch.from_numpy(x),
    )
    k = int(op[-1])
    body = {
        "conv": 4 * 6 * k * k,
        "res": 4 * 6 * k * k + 6 * 6 * k * k + 4 * 6,
        "sep": 4 * k * k + 4 * 6,
        "mbconv": 4 * 12 + 12 * k * k + 12 * 6,
    }[op.rstrip("35")]
    assert model.count_macs(built, torch.from_numpy(x[:1])) == 64 * (9 * 4 + body) + 6 * 3
    weights = sum(p.numel() for p in built.parameters() if p.dim() > 1)
    assert weights == 9 * 4 + body + 6 * 3


def test_an_architecture_is_described_in_words() -> None:
    params = space.canonicalise(
        {"stage1_depth": "2", "stage1_op": "sep5", "stage1_stride": "2", "se": "true"}, "images", "classification"
    )
    config = TrialConfig(
        params=params, data_digest="", validation_fraction=0.2, network_digest="", recipe_version=1, seed=0
    )
    words = describe.architecture(config, "images")
    assert words.startswith(
        "stem of 16 channels; 2 × 5×5 separable convolution, 32 wide at 1/2 size; squeeze-and-excitation"
    )
