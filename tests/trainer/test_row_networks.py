"""Networks for rows: every choice answers in ONNX Runtime as in torch, resumes with the same bits, is its paper's."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
import torch
from atelier_store.records import TrialConfig
from atelier_store.spec import Task
from atelier_trainer import checkpoint, describe, export, model, row_networks
from atelier_trainer.linear_scaling import FARTHEST, LinearScaling
from atelier_trainer.training import Recipe, Rows, Stopped, Training
from atelier_trial import space
from atelier_trial.data import input_statistics
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

pytestmark = pytest.mark.training

FEATURES = 4
N = 60
CHOICES = {
    "robust": {"scaling": "robust"},
    "linear, piecewise": {"scaling": "linear", "embedding": "piecewise", "embedding_bins": "5"},
    "piecewise": {"embedding": "piecewise", "embedding_bins": "5"},
    "piecewise_auto": {"embedding": "piecewise_auto", "embedding_width": "3"},
    "linear, piecewise_auto": {"scaling": "linear", "embedding": "piecewise_auto", "parametrisation": "ntk"},
    "periodic": {"embedding": "periodic", "embedding_frequencies": "3"},
    "pbld": {"embedding": "pbld", "embedding_width": "3"},
    "no norm": {"norm": "none"},
    "ntk": {"parametrisation": "ntk", "lr": "0.02"},
    "members": {"members": "3"},
    "members without norm, gated": {"members": "3", "norm": "none", "stage1_op": "gated", "dropout": "0.2"},
    "members, residual": {"members": "3", "stage1_op": "residual", "stage1_width": "16", "stem_width": "8"},
    "all at once": {
        "scaling": "robust",
        "embedding": "pbld",
        "parametrisation": "ntk",
        "norm": "none",
        "members": "4",
        "stage1_op": "residual",
        "dropout": "0.1",
    },
}


def data(task: Task) -> Rows:
    """Rows of four features: normal, skewed, few values, constant."""
    random = np.random.default_rng(3)
    skewed, few = np.exp(random.normal(0, 2, N)), random.integers(0, 3, N)
    x = np.stack([random.normal(5, 2, N), skewed, few, np.full(N, 7.0)], axis=1).astype(np.float32)
    y = few.astype(np.int64) if task == "classification" else x[:, :2].copy()
    return Rows(torch.from_numpy(x), torch.from_numpy(y))


def built(task: Task, params: dict[str, str]) -> Training:
    canonical = space.canonicalise({"batch": "16", **params}, "rows", task)
    rows = data(task)
    statistics = model.statistics(input_statistics(rows.x[:].numpy(), "rows"), rows.y.numpy(), task)
    torch.manual_seed(0)
    outputs = 3 if task == "classification" else 2
    network = model.build("atelier", canonical, "rows", statistics, (FEATURES,), outputs, rows.x[:])
    return Training(network, task, "rows", rows, Recipe.of(canonical, 0, None), "float32")


@pytest.mark.parametrize("task", ["classification", "regression"])
@pytest.mark.parametrize("choice", CHOICES)
def test_onnx_answers_as_torch_does_for_every_choice_and_any_batch(choice: str, task: Task) -> None:
    training = built(task, CHOICES[choice])
    for _ in range(3):
        training.train_epoch(lambda: False)
    x = training.rows.x[:]
    answers = training.answers(x)
    onnx = export.to_onnx(training.averaged, task, x[:1])
    found = export.parity(onnx, [{export.INPUT: x.numpy()}], answers, task, threads=1)
    assert found.argmax_equal is not False
    assert found.max_abs_difference < 1e-4 * max(1, float(np.abs(answers).max()))
    running = export.session(onnx, threads=1)
    for size in (1, 2, 7):
        np.testing.assert_allclose(
            running.run(None, {"input": x[:size].numpy()})[0], answers[:size], rtol=1e-4, atol=1e-4
        )


@pytest.mark.parametrize("choice", CHOICES)
def test_a_training_that_is_stopped_and_goes_on_gives_the_same_bits(choice: str) -> None:
    whole = built("classification", CHOICES[choice])
    losses = [whole.train_epoch(lambda: False) for _ in range(2)]
    first = built("classification", CHOICES[choice])
    with pytest.raises(Stopped):
        first.train_epoch(lambda: first.position == 2)
    file = io.BytesIO()
    torch.save(first.state_dict(), file)
    file.seek(0)
    again = built("classification", CHOICES[choice])
    again.load_state_dict(torch.load(file, weights_only=True))
    assert [again.train_epoch(lambda: False) for _ in range(2)] == losses
    for one, other in ((again.model, whole.model), (again.averaged, whole.averaged)):
        assert checkpoint.tensor_digests(one) == checkpoint.tensor_digests(other)


@pytest.mark.parametrize("choice", CHOICES)
def test_every_choice_learns(choice: str) -> None:
    training = built("classification", {"lr": "0.01", **CHOICES[choice]})
    losses = [training.train_epoch(lambda: False) for _ in range(12)]
    assert losses[-1] < 0.7 * losses[0]


def test_the_loss_of_an_ensemble_is_the_mean_of_its_members_and_its_answer_their_mean_probability() -> None:
    training = built("classification", {"members": "3"})
    x, y = training.rows.x, training.rows.y
    network = training.model.eval()
    with torch.inference_mode():
        scores = network(x)
        assert scores.shape == (N, 3, 3)
        each = [functional.cross_entropy(scores[:, member], y).item() for member in range(3)]
        assert training.loss(scores, y).item() == pytest.approx(np.mean(each), rel=1e-5)
        probabilities = torch.stack([scores[:, member].softmax(1) for member in range(3)]).mean(0)
        torch.testing.assert_close(model.Answer(network, "classification")(x), probabilities)
    assert max(each) - min(each) > 1e-3  # they start apart
    weights = torch.tensor([1.0, 2.0, 0.5])
    training.class_weights = weights
    weighted = [(functional.cross_entropy(scores[:, m], y, weights, reduction="sum") / N).item() for m in range(3)]
    assert training.loss(scores, y).item() == pytest.approx(np.mean(weighted), rel=1e-5)


def test_the_loss_of_an_ensemble_that_predicts_numbers_is_the_mean_of_its_members() -> None:
    training = built("regression", {"members": "3"})
    x, y = training.rows.x, training.rows.y
    with torch.inference_mode():
        scores = training.model.eval()(x)
        targets = (y - training.model.target_mean) / training.model.target_scale
        each = [functional.mse_loss(scores[:, member], targets).item() for member in range(3)]
        assert training.loss(scores, y).item() == pytest.approx(np.mean(each), rel=1e-5)
        unit = scores * training.model.target_scale + training.model.target_mean
        torch.testing.assert_close(model.Answer(training.model, "regression")(x), unit.mean(1))


def test_params_and_macs_of_an_ensemble_are_those_counted_by_hand() -> None:
    params = {"stem_width": "5", "stage1_width": "7", "members": "3", "norm": "none"}
    network = built("classification", params).model
    shared, heads = FEATURES * 5 + 5 * 7, 7 * 3
    adapters = FEATURES + 5 + 5 + 5 + 7 + 7  # factors of inputs and of outputs, and shifts, of both layers
    assert model.count_params(network) == shared + 3 * (adapters + heads + 3)
    assert model.count_macs(network, torch.zeros(1, FEATURES)) == 3 * (shared + heads)


def test_macs_of_an_embedding_are_those_counted_by_hand() -> None:
    params = {"stem_width": "5", "stage1_depth": "0", "embedding": "periodic", "embedding_frequencies": "6"}
    network = built("classification", {**params, "embedding_width": "2"}).model
    assert model.count_macs(network, torch.zeros(1, FEATURES)) == FEATURES * 12 * 2 + FEATURES * 2 * 5 + 5 * 3


# what becomes of a number

NUMBERS = st.floats(-1e6, 1e6, width=32)


def encoding(layer: row_networks.PiecewiseLinear, x: Tensor) -> Tensor:
    """What the encoding's weights are multiplied with, seen through weights that pass it on."""
    bins = layer.encoded.in_features
    with torch.no_grad():
        layer.linear.weight.zero_(), layer.linear.bias.zero_()
        layer.encoded.weight.copy_(torch.eye(bins).repeat(layer.encoded.groups, 1))
    encoded: Tensor = layer(x).detach().unflatten(1, (-1, bins))
    return encoded


def test_a_number_fills_the_bins_below_it_and_a_share_of_its_own() -> None:
    edges = [np.array([0, 1, 3, 7], dtype=np.float32), np.array([-1, 1], dtype=np.float32)]
    layer = row_networks.PiecewiseLinear(edges, width=3, rate=1.0)
    x = torch.tensor([[2.0, 0.0], [-2.0, 5.0], [9.0, -3.0]])
    expected = [[[1, 0.5, 0], [0.5, 0, 0]], [[-2, 0, 0], [3, 0, 0]], [[1, 1, 1.5], [-1, 0, 0]]]
    torch.testing.assert_close(encoding(layer, x), torch.tensor(expected))


@given(st.lists(NUMBERS, min_size=2, max_size=60), st.integers(2, 12))
def test_bins_are_ascending_quantiles_of_any_numbers(numbers: list[float], count: int) -> None:
    rows = np.array(numbers, dtype=np.float32).reshape(-1, 1)
    (edges,) = row_networks.bins(rows, count)
    assert 2 <= len(edges) <= count + 1
    assert (np.diff(edges) > 0).all()
    assert edges[0] == rows.min()


@given(st.lists(NUMBERS, min_size=2, max_size=60))
def test_robust_scaling_keeps_the_order_and_its_bounds_for_any_number(numbers: list[float]) -> None:
    rows = np.array(numbers, dtype=np.float32).reshape(-1, 1)
    scaling = row_networks.RobustScaling(rows)
    seen = torch.from_numpy(np.sort(np.concatenate([rows, [[-3e38], [3e38]]]), axis=0).astype(np.float32))
    scaled = scaling(seen)
    assert torch.isfinite(scaled).all()
    assert scaled.abs().max() <= 3
    assert (scaled.diff(dim=0) >= -1e-6).all()


def test_robust_scaling_is_by_median_and_quartiles_then_a_smooth_clip() -> None:
    rows = np.array([[0.0], [1], [2], [3], [100]], dtype=np.float32)
    scaled = row_networks.RobustScaling(rows)(torch.tensor([[2.0], [4.0], [100.0]])).flatten()
    at = [(value - 2) / 2 for value in (2, 4, 100)]
    np.testing.assert_allclose(scaled, [z / np.sqrt(1 + (z / 3) ** 2) for z in at], rtol=1e-5)


def test_linear_scaling_is_by_median_and_quartiles_and_keeps_distances_up_to_its_bound() -> None:
    rows = np.array([[0.0], [1], [2], [3], [100]], dtype=np.float32)
    scaled = LinearScaling(rows)(torch.tensor([[2.0], [4.0], [100.0], [1e9], [-1e9]])).flatten().tolist()
    assert scaled == [0, 1, 49, FARTHEST, -FARTHEST]


def test_only_the_first_entries_are_embedded_where_others_are_no_numbers() -> None:
    rows = data("classification").x[:].numpy()
    params: dict[str, Any] = space.canonicalise({"embedding": "pbld", "scaling": "robust"}, "rows", "classification")
    torch.manual_seed(0)
    network = row_networks.build(params, FEATURES, 3, rows, numbers=2)
    assert isinstance(network, row_networks.RowNetwork)
    first = network.features[0].get_submodule("layer")
    assert first.in_features == 2 * 8 + 2
    assert row_networks.build(params, FEATURES, 3, rows, numbers=0)(torch.from_numpy(rows)).shape == (N, 3)


def test_the_first_weights_follow_from_seed_and_rows_alone() -> None:
    first, second = (built("classification", CHOICES["all at once"]).model for _ in range(2))
    assert checkpoint.tensor_digests(first) == checkpoint.tensor_digests(second)


def test_an_architecture_says_what_is_special_of_it() -> None:
    params = space.canonicalise({"members": "8", "embedding": "pbld", "norm": "none"}, "rows", "classification")
    config = TrialConfig(
        params=params, data_digest="", validation_fraction=0.2, network_digest="", recipe_version=1, seed=0
    )
    words = describe.architecture(config, "rows")
    assert words == (
        "stem of 16 units; 1 × dense layer, 32 wide; pbld embedding of numbers; no batch normalisation; "
        "ensemble of 8; relu"
    )
