"""What a network computes is counted by kind: on torch's meta device as where it is trained."""

import numpy as np
import pytest
import torch
from atelier_store.records import Card
from atelier_store.spec import Kind
from atelier_trainer import model, networks
from atelier_trainer.operations import count
from atelier_trial import space
from torch import Tensor, nn

from tests.support.workplace import NETWORK, Workplace, profile

PICTURES = {"stem_width": "8", "stage1_width": "8", "stage1_op": "mbconv3", "se": "true", "activation": "silu"}
ROWS = {"stem_width": "8", "stage1_width": "8", "stage1_op": "gated"}


class OfItsValues(nn.Module):
    """A network that does not run where there are no values."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x * float(x.sum() + 1))  # type: ignore[no-any-return]


def built(params: dict[str, str], shape: tuple[int, ...]) -> nn.Module:
    kind: Kind = "rows" if len(shape) == 1 else "images"
    return networks.build(space.canonicalise(params, kind, "classification", "atelier"), shape, 3)


@pytest.mark.parametrize(("params", "shape"), [(PICTURES, (1, 8, 8)), (ROWS, (5,))])
def test_multiply_adds_and_weights_are_those_of_the_layers(params: dict[str, str], shape: tuple[int, ...]) -> None:
    network, example = built(params, shape), torch.zeros(1, *shape)
    found = count(network, example)
    assert sum(n for name, n in found.items() if name.endswith(".macs")) == model.count_macs(network, example)
    layers = [layer for layer in network.modules() if isinstance(layer, (nn.Linear, nn.Conv2d))]
    assert sum(n for name, n in found.items() if name.endswith(".weights")) == sum(
        layer.weight.numel() for layer in layers
    )
    kinds = [
        name for name in found if name.endswith(".nodes") and name.split(".")[0] in ("convolution", "grouped", "matrix")
    ]
    assert sum(found[name] for name in kinds) == len(layers)


@pytest.mark.parametrize(("params", "shape"), [(PICTURES, (1, 8, 8)), (ROWS, (5,))])
def test_counts_do_not_depend_on_the_device_the_values_or_the_mode(
    params: dict[str, str], shape: tuple[int, ...]
) -> None:
    network = built(params, shape)
    found = count(network, torch.zeros(1, *shape))
    assert network.training
    assert count(network.eval(), torch.ones(1, *shape)) == found
    assert count(network.to("meta"), torch.zeros(1, *shape)) == found


def test_a_network_that_needs_values_is_counted_where_it_is() -> None:
    assert count(OfItsValues(), torch.ones(1, 4))["matrix.macs"] == 8


@pytest.mark.process
def test_a_trial_keeps_them_where_its_search_asks_for_latency(work: Workplace) -> None:
    assert work.run(profile(1, budget={"latencyMs": 1000}), *NETWORK, name="t").code == 0
    (trial,) = work.store.trials()
    card = Card.read(trial.card)
    assert card.operations is not None and card.macs is not None
    assert np.isclose(sum(n for name, n in card.operations.items() if name.endswith(".macs")), card.macs)
    assert work.run(profile(1), *NETWORK, "lr=0.02", name="other").code == 0
    assert sorted(Card.read(trial.card).operations is None for trial in work.store.trials()) == [False, True]
