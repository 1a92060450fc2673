"""What a network costs is known before it is trained, and is what its trial finds."""

from typing import Any

import pytest
import torch
from atelier_store.layout import Store
from atelier_store.records import DataDescription
from atelier_store.spec import Kind, Spec
from atelier_trainer.appraisal import Appraiser
from atelier_trainer.cost import cost_of
from atelier_trial import data

from tests.support.workplace import Workplace, profile


def prepared(work: Workplace, spec: Spec) -> DataDescription:
    return data.prepare(spec.trainer.data, work.store, work.folder, None, spec.trainer.seed, lambda _: None)


def appraiser(work: Workplace, kind: Kind = "images", **trainer: Any) -> Appraiser:
    sources = {"images": "digits", "rows": "wine"}
    spec = profile(data={"source": "sklearn", "name": sources[kind]}, **trainer)
    return Appraiser(spec, Store(work.folder / "store"), prepared(work, spec))


OPERATIONS: list[tuple[Kind, str]] = [
    *(("images", operation) for operation in ("conv3", "res3", "sep5", "mbconv3")),
    *(("rows", operation) for operation in ("dense", "gated")),
]


@pytest.mark.parametrize(("kind", "operation"), OPERATIONS)
def test_a_network_costs_without_memory_what_it_costs_in_memory(work: Workplace, kind: Kind, operation: str) -> None:
    asked = appraiser(work, kind)
    params = {"stage1_op": operation, "stage1_width": "12", "stage2_depth": "1", "lr": "0.01"}
    built = asked.build(asked.architecture(params))
    assert all(weight.device.type == "cpu" for weight in built.parameters())
    assert asked.cost(params) == cost_of(built, asked._description)


def test_networks_that_differ_in_their_training_alone_are_built_once(
    work: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, devices = appraiser(work), list[str]()
    build = Appraiser.build
    monkeypatch.setattr(Appraiser, "build", lambda *a: devices.append(a[2]) or build(*a))  # type: ignore[func-returns-value]
    costs = [asked.cost({"lr": rate, "stem_width": width}) for rate in ("0.1", "0.2") for width in ("4", "8")]
    assert costs[:2] == costs[2:] and costs[0] != costs[1]
    assert devices == ["meta", "meta"]


def test_what_is_over_budget_is_refused_with_its_cost(work: Workplace) -> None:
    asked = appraiser(work, budget={"params": 1000})
    assert asked.refusal({"stem_width": "4", "stage1_width": "4"}) is None
    refusal = asked.refusal({"stem_width": "64", "stage1_width": "64"})
    assert refusal and refusal.startswith("params ") and refusal.endswith(" > 1,000")


def from_data(input_shape: tuple[int, ...], outputs: int, width: int = 8, broken: bool = False) -> torch.nn.Module:
    """Takes a value out of a tensor, which the meta device cannot."""
    if broken:
        raise RuntimeError("no such network")
    features = int(torch.tensor(input_shape).prod().item())
    return torch.nn.Sequential(
        torch.nn.Flatten(), torch.nn.Linear(features, width), torch.nn.ReLU(), torch.nn.Linear(width, outputs)
    )


def test_a_network_of_ones_own_that_needs_memory_is_built_and_one_that_fails_is_left_to_its_trial(
    work: Workplace,
) -> None:
    asked = appraiser(work, network="tests.trainer.test_appraisal:from_data", budget={"params": 1})
    cost = asked.cost({"width": "3"})
    assert cost and cost.params == 64 * 3 + 3 + 3 * 10 + 10
    assert asked.cost({"broken": "true"}) is None
    assert asked.refusal({"broken": "true"}) is None
