"""Training resumes after any batch with the same bits; averages and augmentation do what they say."""

from __future__ import annotations

import copy
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from atelier_trainer import checkpoint, model
from atelier_trainer.augment import augment
from atelier_trainer.optimizer import AveragedAdamW
from atelier_trainer.training import Recipe, Rows, Stopped, Training, balanced, class_weights, of_mean_one
from atelier_trial import space
from atelier_trial.data import input_statistics
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.utils.class_weight import compute_class_weight
from torch import nn
from torch.nn import functional

pytestmark = pytest.mark.training

SHAPE = (8, 8)
Run = tuple[tuple[str, str], list[float]]
"""Digests of the weights in the end, and the loss of every epoch."""


def rows(n: int = 40) -> Rows:
    generator = np.random.default_rng(1)
    return Rows(
        torch.from_numpy(generator.integers(0, 17, (n, *SHAPE), dtype=np.uint8)), torch.from_numpy(np.arange(n) % 4)
    )


def training(tail_epochs: int | None = None, seed: int = 0, **params: str) -> Training:
    canonical = space.canonicalise(
        {"batch": "8", "dropout": "0.3", "augment": "shift_flip", **params}, "images", "classification"
    )
    torch.manual_seed(seed)
    data = rows()
    statistics = model.statistics(input_statistics(data.x[:].numpy(), "images"), data.y.numpy(), "classification")
    built = model.build("atelier", canonical, "images", statistics, SHAPE, 4, data.x[:])
    return Training(built, "classification", "images", data, Recipe.of(canonical, seed, tail_epochs), "float32")


def saved(state: dict[str, Any]) -> dict[str, Any]:
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    loaded: dict[str, Any] = torch.load(file, weights_only=True)
    return loaded


def digests(trained: Training) -> tuple[str, str]:
    return checkpoint.weights_sha256(trained.model), checkpoint.weights_sha256(trained.averaged)


@pytest.fixture(scope="module")
def uninterrupted() -> Run:
    trained = training()
    losses = [trained.train_epoch(lambda: False) for _ in range(3)]
    return digests(trained), losses


@settings(max_examples=12, deadline=None)
@given(st.lists(st.integers(1, 4), min_size=1, max_size=6))
def test_stopping_after_any_batches_and_going_on_gives_the_same_bits(uninterrupted: Run, pauses: list[int]) -> None:
    trained, losses = training(), []
    while trained.epoch < 3:
        left = pauses.pop(0) if pauses else 10**6

        def stop() -> bool:
            nonlocal left
            left -= 1
            return left <= 0

        try:
            losses.append(trained.train_epoch(stop))
        except Stopped:
            state = saved(trained.state_dict())
            trained = training()
            trained.load_state_dict(state)
            if trained.position == trained.batches:
                losses.append(trained.train_epoch(lambda: False))
    assert (digests(trained), losses) == uninterrupted


def test_another_seed_gives_other_weights() -> None:
    first, second = training(seed=0), training(seed=1)
    for trained in (first, second):
        trained.train_epoch(lambda: False)
    assert digests(first) != digests(second)


def test_a_tail_goes_on_from_its_parent_and_its_learning_rate_falls_to_zero() -> None:
    parent = training()
    parent.train_epoch(lambda: False)
    tail = training(tail_epochs=2)
    tail.begin_tail(saved(parent.state_dict()))
    assert digests(tail) == digests(parent)
    rates = []
    for _ in range(2):
        rates.append(tail.learning_rate())
        tail.train_epoch(lambda: False)
    assert rates[0] == parent.recipe.lr > rates[1] > tail.learning_rate() == 0


@given(st.lists(st.integers(0, 4), min_size=1, max_size=40))
def test_balanced_weights_are_those_of_scikit_learn_and_0_for_a_class_without_rows(numbers: list[int]) -> None:
    present = np.unique(numbers)
    expected = np.zeros(5)
    expected[present] = compute_class_weight("balanced", classes=present, y=np.array(numbers))
    assert balanced(torch.tensor(numbers), 5).numpy() == pytest.approx(expected, rel=1e-6)


def test_with_balanced_weights_the_loss_is_the_mean_of_the_losses_of_the_classes() -> None:
    y, scores = torch.tensor([0, 0, 0, 0, 0, 1, 1, 2]), torch.randn(8, 3, generator=torch.Generator().manual_seed(1))
    trained = training()
    trained.class_weights = balanced(y, 3)
    of_classes = [functional.cross_entropy(scores[y == number], y[y == number]) for number in range(3)]
    assert trained.loss(scores, y).item() == pytest.approx(torch.stack(of_classes).mean().item(), rel=1e-6)


@pytest.mark.parametrize("members", [1, 3])
def test_rows_that_weigh_twice_count_twice_in_the_loss(members: int) -> None:
    y, scores = torch.tensor([0, 1, 1]), torch.randn(3, members, 3, generator=torch.Generator().manual_seed(1))
    trained = training()
    trained.class_weights = torch.tensor([1.0, 3.0, 1.0])
    rows = torch.tensor([0, 1, 1, 2])
    weighted = trained.loss(scores.squeeze(1), y, torch.tensor([0.75, 1.5, 0.75]))
    assert weighted.item() == pytest.approx(trained.loss(scores.squeeze(1)[rows], y[rows]).item(), rel=1e-6)


def test_the_loss_of_labels_is_the_mean_of_theirs_weighted_by_rows() -> None:
    trained = training()
    trained.task, trained.class_weights = "multilabel", None
    scores, y = torch.tensor([[0.0, 2.0], [1.0, -1.0]]), torch.tensor([[1.0, 1.0], [0.0, 0.0]])
    probabilities = torch.sigmoid(scores)
    each = -torch.log(torch.where(y == 1, probabilities, 1 - probabilities)).mean(1)
    assert trained.loss(scores, y).item() == pytest.approx(each.mean().item(), rel=1e-6)
    weight = torch.tensor([0.5, 1.5])
    assert trained.loss(scores, y, weight).item() == pytest.approx((weight * each).mean().item(), rel=1e-6)


def test_the_unit_of_weights_does_not_change_a_weight_of_the_training() -> None:
    trained = []
    for unit in (None, 1.0, 1024.0):
        one = training()
        if unit is not None:
            one.row_weights = of_mean_one(torch.full((len(one.rows),), unit))
        one.train_epoch(lambda: False)
        trained.append(torch.cat([p.detach().flatten() for p in one.model.parameters()]))
    assert torch.equal(trained[1], trained[2])
    assert torch.allclose(trained[0], trained[1], atol=1e-5)


def test_weights_of_classes_are_1_where_nothing_is_said() -> None:
    found = class_weights({"b": 2.5}, ("a", "b"), torch.tensor([0, 1]))
    assert found is not None and found.tolist() == [1.0, 2.5]


def test_the_step_is_adamw() -> None:
    torch.manual_seed(0)
    ours = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Linear(4, 2))
    theirs = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Linear(4, 2))
    theirs.load_state_dict(ours.state_dict())
    optimizer = AveragedAdamW(ours, weight_decay=0.1)
    matrices, vectors = ([p for p in theirs.parameters() if (p.dim() > 1) is matrix] for matrix in (True, False))
    groups = [{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}]
    reference = torch.optim.AdamW(groups, lr=0.01, betas=(0.9, 0.99), eps=1e-8)
    for _ in range(20):
        x = torch.randn(5, 3)
        for network, zero, step in (
            (ours, optimizer.zero_grad, lambda: optimizer.step(0.01)),
            (theirs, reference.zero_grad, reference.step),
        ):
            zero()
            (network(x) ** 2).sum().backward()
            step()
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-4, atol=1e-6)


class Thirds(torch.nn.Module):
    """Three layers: one always learns, one if it is said, one never."""

    def __init__(self) -> None:
        super().__init__()
        self.always, self.sometimes, self.never = (torch.nn.Linear(3, 3) for _ in range(3))

    def forward(self, x: torch.Tensor, learns: bool) -> torch.Tensor:
        with torch.set_grad_enabled(learns):
            second = self.sometimes(x)
        mixed: torch.Tensor = self.always(x) + second + self.never(x).detach()
        return mixed


def test_weights_that_got_no_gradient_stay_as_they_are() -> None:
    torch.manual_seed(0)
    network = Thirds()
    optimizer = AveragedAdamW(network, weight_decay=0.1)
    first = copy.deepcopy(network.state_dict())
    for step in range(6):
        before = copy.deepcopy(network.state_dict())
        optimizer.zero_grad()
        (network(torch.randn(5, 3), learns=step % 2 == 0) ** 2).sum().backward()
        optimizer.step(0.01)
        moved = {name.partition(".")[0] for name, now in network.state_dict().items() if not now.equal(before[name])}
        assert moved == ({"always", "sometimes"} if step % 2 == 0 else {"always"})
    for name in ("never.weight", "never.bias"):
        assert network.state_dict()[name].equal(first[name])
        assert optimizer.average.state_dict()[name].equal(first[name])


def test_the_average_follows_the_weights_by_the_published_decay() -> None:
    network = torch.nn.Linear(1, 1, bias=False)
    optimizer = AveragedAdamW(network, weight_decay=0.0)
    expected = network.weight.item()
    for step in range(1, 6):
        optimizer.zero_grad()
        network(torch.ones(1, 1)).sum().backward()
        optimizer.step(0.1)
        decay = min(0.995, step / (step + 9))
        expected = decay * expected + (1 - decay) * network.weight.item()
        assert optimizer.average.get_parameter("weight").item() == pytest.approx(expected, rel=1e-5)


def test_a_shift_moves_and_fills_with_zeros_and_a_flip_mirrors() -> None:
    image = torch.zeros(64, 8, 8, dtype=torch.uint8)
    image[:, 4, 4] = 9
    generator = torch.Generator().manual_seed(0)
    moved = augment(image, "shift", generator, torch.ones(1))
    assert moved.dtype == torch.uint8
    assert moved.sum() == image.sum()
    places = {tuple(torch.nonzero(m)[0].tolist()) for m in moved}
    assert places == {(r, c) for r in (3, 4, 5) for c in (3, 4, 5)}
    flipped = augment(image, "flip", generator, torch.ones(1))
    assert {int(torch.nonzero(m)[0][1]) for m in flipped} == {3, 4}
    assert (augment(image + 1, "cutout", generator, torch.ones(1)) == 0).flatten(1).any(1).all()


def test_a_torn_checkpoint_is_named(tmp_path: Path) -> None:
    path = tmp_path / "last.ckpt"
    checkpoint.save(path, {"weights": torch.arange(1000.0)})
    whole = path.read_bytes()
    for torn in (whole[: len(whole) // 2], b"", whole[:100] + b"\0" * 50 + whole[150:]):
        path.write_bytes(torn)
        with pytest.raises(checkpoint.TornCheckpoint, match=r"last\.ckpt"):
            checkpoint.load(path, torch.device("cpu"))


def test_frozen_weights_stay_as_they_are_and_are_not_counted() -> None:
    torch.manual_seed(0)
    frozen = nn.Linear(16, 8)
    frozen.requires_grad_(False)
    network = nn.Sequential(nn.Flatten(), nn.Linear(64, 16), frozen, nn.Linear(8, 4))
    weights = {name: value.clone() for name, value in frozen.state_dict().items()}
    data = Rows(torch.randn(32, 8, 8, generator=torch.Generator().manual_seed(0)), torch.arange(32) % 4)
    one, none = torch.ones(1), torch.zeros(1)
    statistics = {"mean": none, "scale": one, "target_mean": none, "target_scale": one}
    built = model.Model(network, "images", False, statistics)
    recipe = Recipe(lr=0.1, weight_decay=1.0, batch=8, augment="none", label_smoothing=0.0, seed=0)
    trained = Training(built, "classification", "images", data, recipe, "float32")
    trained.train_epoch(lambda: False)
    for module in (trained.model, trained.averaged):
        kept = module.get_submodule("network.2").state_dict()
        assert all(torch.equal(kept[name], weights[name]) for name in weights)
    assert not torch.equal(*(module.get_parameter("network.1.weight") for module in (trained.averaged, trained.model)))
    assert model.count_params(trained.model) == 64 * 16 + 16 + 8 * 4 + 4


def test_a_network_without_weights_to_train_is_refused() -> None:
    built = model.Model(nn.Flatten(), "images", False, {"scale": torch.ones(1)})
    with pytest.raises(ValueError, match="no weights to train"):
        AveragedAdamW(built, 0.0)
