"""What a network of one's own can be that no export gives back is found before it is trained."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from atelier_store.spec import Kind
from atelier_trainer import exportable
from atelier_trainer.export import CannotExport
from atelier_trainer.model import Model
from torch import nn
from torch.nn import functional

FEATURES, OUTPUTS = 5, 3
Change = Callable[[torch.Tensor], torch.Tensor]


class Own(nn.Module):
    """A linear layer between what a test does before and after it."""

    def __init__(self, before: Change = lambda x: x, after: Change = lambda x: x, outputs: int = OUTPUTS) -> None:
        super().__init__()
        self.layer = nn.Linear(FEATURES, outputs)
        self.before, self.after = before, after

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.after(self.layer(self.before(x)))


def check(network: nn.Module, kind: Kind = "rows", shape: tuple[int, ...] = (FEATURES,)) -> None:
    one = torch.ones(1)
    statistics = {"mean": torch.zeros(1), "scale": one, "target_mean": torch.zeros(1), "target_scale": one}
    rows = torch.randn(40, *shape, generator=torch.Generator().manual_seed(0))
    exportable.check(Model(network, kind, False, statistics), "classification", rows, OUTPUTS)


def flips(x: torch.Tensor) -> torch.Tensor:
    return -x if x.mean() > 100 else x


def asks_for_its_shape(x: torch.Tensor) -> torch.Tensor:
    assert x.shape[1] == FEATURES
    return sum((x * step for step in range(x.shape[1])), torch.zeros_like(x))


REFUSED = {
    "control flow by values": (
        Own(flips),
        r"values of its input.*tracer: Converting a tensor to a Python boolean.*py:\d+",
    ),
    "a number of the values": (Own(lambda x: x * float(x.abs().max())), r"values of its input.*tracer: .*Python float"),
    "numpy": (Own(lambda x: x + torch.from_numpy(x.numpy()).mean()), r"values of its input.*tracer: .*NumPy array"),
    "the batch of one baked in": (
        Own(after=lambda x: x.reshape(int(x.shape[0]), -1).reshape(int(x.shape[0]), OUTPUTS)),
        r"does not answer 2 rows; the tracer: Converting a tensor to a Python integer",
    ),
    "the batch squeezed away": (Own(after=torch.squeeze), r"gives \(3,\) for 1 row; allowed: \(1, 3\)"),
    "too few outputs": (Own(outputs=1), r"gives \(1, 1\) for 1 row; allowed: \(1, 3\)"),
    "the mean of the batch": (Own(lambda x: x - x.mean(0)), "depends on the other rows of its batch"),
    "chance": (Own(lambda x: functional.dropout(x, 0.5)), "depends on the other rows of its batch, or on chance"),
    "an operator that ONNX lacks": (nn.Sequential(nn.utils.parametrizations.spectral_norm(nn.Linear(5, 3))), "as ONNX"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_would_be_served_otherwise_is_refused(case: str) -> None:
    network, reason = REFUSED[case]
    with pytest.raises(CannotExport, match=reason):
        check(network)


TAKEN = {
    "layers": nn.Sequential(
        nn.Linear(FEATURES, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.ReLU(), nn.Linear(8, OUTPUTS)
    ),
    "its shape": Own(asks_for_its_shape),
    "choice by value in the graph": Own(lambda x: torch.where(x > 0, x, torch.zeros_like(x))),
    "constants": Own(after=lambda x: x * torch.tensor([1.0, 2.0, 3.0])),
    "answers that are no numbers": Own(after=lambda x: x * float("nan")),
    "answers that are all alike": Own(after=lambda x: x * 0),
}


@pytest.mark.parametrize("case", TAKEN)
def test_what_is_served_as_it_is_trained_is_taken(case: str) -> None:
    check(TAKEN[case])


def test_a_check_leaves_the_model_as_it_was() -> None:
    network = nn.Sequential(nn.Linear(FEATURES, OUTPUTS), nn.BatchNorm1d(OUTPUTS))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    check(network.train())
    assert network.training
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
