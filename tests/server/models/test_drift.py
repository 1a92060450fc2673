"""How far inputs are from the training set: what is summed, what is left out, and that all workers add up."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from atelier_server.models import drift
from atelier_server.models.drift import FARTHEST, MOST_FEATURES, MOST_VALUES
from atelier_store.layout import Store
from atelier_store.records import InputStatistics, Manifest

from tests.support.onnx_bundles import (
    FEATURES,
    Bundle,
    image_bundle,
    publish,
    rows_bundle,
    signal_bundle,
    trained_on_its_inputs,
)
from tests.support.server_process import Server, eventually, serving

RANDOM = np.random.default_rng(0)


def manifest(
    kind: str, shape: tuple[int, ...], mean: list[float], std: list[float], names: tuple[str, ...] | None = None
) -> Manifest:
    """A manifest of a bundle for such inputs, trained on inputs with these statistics."""
    bundles: dict[str, Callable[[], Bundle]] = {"images": image_bundle, "signals": signal_bundle, "rows": rows_bundle}
    made = bundles[kind]().fields
    inputs = tuple(tensor.model_copy(update={"shape": (-1, *shape)}) for tensor in made["inputs"])
    statistics = InputStatistics(mean=tuple(mean), std=tuple(std), count=1000)
    return Manifest(**made | {"inputs": inputs, "feature_names": names, "input_statistics": statistics}, files={})


def shift(found: Manifest, *inputs: np.ndarray) -> np.ndarray:
    """By how many standard deviations the inputs' mean is off, of each feature."""
    trained = drift.training(found)
    assert trained
    compared = trained.compare([{"input": array} for array in inputs])
    assert compared.rows == sum(map(len, inputs)) and min(compared.deviations.values()) >= 0
    above, below = (
        np.array([compared.deviations[feature, direction] for feature in trained.features])
        for direction in ("above", "below")
    )
    off: np.ndarray = (above - below) / compared.rows
    return off


@pytest.mark.parametrize(
    ("kind", "shape", "features"),
    [
        ("images", (8, 8), 1),
        ("images", (8, 8, 3), 3),
        ("signals", (20,), 1),
        ("signals", (20, 2), 2),
        ("rows", (5,), 5),
    ],
)
def test_the_shift_is_that_of_each_channel_or_feature(kind: str, shape: tuple[int, ...], features: int) -> None:
    mean, std = RANDOM.uniform(50, 90, features), RANDOM.uniform(30, 40, features)
    found = manifest(kind, shape, mean.tolist(), std.tolist())
    assert drift.features(found) == features
    x = RANDOM.integers(0, 256, (60, *shape)).astype(np.uint8 if kind == "images" else np.float32)
    expected = (x.reshape(-1, features).mean(0, dtype=np.float64) - mean) / std
    np.testing.assert_allclose(shift(found, x[:1], x[1:7], x[7:]), expected, rtol=1e-9)


def test_the_training_set_itself_has_no_shift() -> None:
    bundle = trained_on_its_inputs(rows_bundle())
    np.testing.assert_allclose(shift(Manifest(**bundle.fields, files={}), bundle.inputs), 0, atol=1e-9)


@pytest.mark.parametrize("far", [1e30, -1e30, 1e308, -1e308])
def test_a_number_that_is_far_off_counts_for_a_few_deviations_only(far: float) -> None:
    found = (
        manifest("rows", (1,), [-1e308 if far > 1 else 1e308], [1e-300])
        if abs(far) > 1e300
        else manifest("rows", (1,), [0.0], [1.0])
    )
    assert shift(found, np.array([[far]])) == [np.sign(far) * FARTHEST]


@pytest.mark.parametrize(("constant", "std"), [(7.0, 0.0), (float(np.float32(0.1)), 1e-17)])
def test_a_feature_that_never_varied_is_compared_in_its_own_unit(constant: float, std: float) -> None:
    found = manifest("rows", (1,), [constant], [std])
    assert shift(found, np.array([[constant], [constant + 3]], np.float32)) == pytest.approx([1.5], rel=1e-6)


def test_features_have_their_names_or_their_numbers_and_are_not_too_many() -> None:
    def names(count: int, given: tuple[str, ...] | None) -> tuple[str, ...]:
        trained = drift.training(manifest("rows", (count,), [0.0] * count, [1.0] * count, given))
        assert trained
        return trained.features

    assert names(3, FEATURES) == FEATURES
    assert names(3, None) == ("0", "1", "2")
    many = tuple(f"feature {number}" for number in range(1000))
    assert names(1000, many) == many[:MOST_FEATURES]
    wide = manifest("rows", (1000,), [0.0] * 1000, [1.0] * 1000, many)
    np.testing.assert_allclose(shift(wide, np.tile(np.arange(1000) / 500, (4, 1))), np.arange(MOST_FEATURES) / 500)


@pytest.mark.parametrize("shape", [(8, 8), (8, 8, 3), (600, 600), (600, 600, 3)])
@pytest.mark.parametrize("rows", [1, 2, 100])
def test_what_is_kept_to_be_compared_is_bounded_and_spread_evenly(shape: tuple[int, ...], rows: int) -> None:
    channels = shape[2] if len(shape) == 3 else 1
    trained = drift.training(manifest("images", shape, [0.0] * channels, [1.0] * channels))
    assert trained
    x = np.broadcast_to(np.arange(rows, dtype=np.uint8).reshape(-1, *[1] * len(shape)), (rows, *shape))
    for room in (1, 200, MOST_VALUES):
        kept = trained.sample({"input": x}, room)["input"]
        assert 1 <= len(kept) <= rows
        assert kept.size <= room + min(x[0].size, MOST_VALUES)
        values = kept.reshape(len(kept), -1, channels)
        assert len(set(np.diff(values[:, 0, 0]).tolist())) <= 1  # each as far from the next
        assert kept is x or not np.shares_memory(kept, x)
        one = {"input": x[:1]}
        found = trained.compare([{"input": kept}, trained.sample(one, room), trained.sample(one, 1)])
        above = [amount for (_, direction), amount in found.deviations.items() if direction == "above"]
        np.testing.assert_allclose(above, np.minimum(values[:, 0, 0], FARTHEST).sum())


# a server


def counted(server: Server, model: str, feature: str) -> float:
    """The mean shift of a feature, of all rows since the server began."""
    labels = {"model": model, "feature": feature}
    above, below = (
        server.metric("atelier_input_deviation_total", **labels, direction=side) for side in ("above", "below")
    )
    return (above - below) / server.metric("atelier_input_rows_total", model=model)


@pytest.mark.process
def test_two_workers_show_the_shift_of_what_they_were_sent_together(store: Store) -> None:
    bundle = trained_on_its_inputs(rows_bundle())
    publish(store, bundle, "house")
    shifts = np.array([2.0, 0.0, -0.5])
    sent = bundle.inputs + shifts * bundle.inputs.std(0, dtype=np.float64)
    with serving(store, "house", "--workers", "2") as server:
        for row in sent:  # each by a connection of its own, and the system divides those among the workers
            server.alone("POST", "/predict", json={"instances": [row.tolist()]}).raise_for_status()
        eventually(lambda: server.metric("atelier_input_rows_total", model="house") == len(sent))
        assert [counted(server, "house", name) for name in FEATURES] == pytest.approx(shifts, abs=1e-6)


@pytest.mark.process
def test_inputs_are_compared_however_they_come_and_of_many_a_part(store: Store) -> None:
    bundle = trained_on_its_inputs(image_bundle())
    publish(store, bundle)
    dark = bundle.inputs // 4
    expected = (dark.mean() - bundle.inputs.mean()) / bundle.inputs.std()
    tensor = {"name": "input", "datatype": "UINT8", "shape": list(dark.shape)}
    text = json.dumps({"inputs": [tensor | {"parameters": {"binary_data_size": dark.nbytes}}]}).encode()
    with serving(store, "digits") as server:

        def rows() -> float:
            return server.metric("atelier_input_rows_total", model="digits")

        server.client.post("/predict", json={"instances": dark.tolist()}).raise_for_status()
        server.client.post(
            "/v2/models/digits/infer", json={"inputs": [tensor | {"data": dark.ravel().tolist()}]}
        ).raise_for_status()
        lengths = {"Inference-Header-Content-Length": str(len(text))}
        server.client.post("/v2/models/digits/infer", content=text + dark.tobytes(), headers=lengths).raise_for_status()
        eventually(lambda: rows() == 3 * len(dark))
        assert counted(server, "digits", "0") == pytest.approx(expected, abs=1e-6)

        many = np.tile(dark, (100, 1, 1))
        server.client.post("/predict", json={"instances": many.tolist()}).raise_for_status()
        eventually(lambda: server.metric("atelier_predictions_total", model="digits") == 3 * len(dark) + len(many))
        assert 0 < (rows() - 3 * len(dark)) * dark[0].size <= MOST_VALUES
        assert counted(server, "digits", "0") == pytest.approx(expected, abs=0.05)


@pytest.mark.process
def test_a_bundle_from_before_statistics_were_kept_is_served_without_drift(store: Store) -> None:
    publish(store, rows_bundle(), "house")
    with serving(store, "house") as server:
        assert server.client.get("/model").json()["manifest"]["input_statistics"] is None
        server.client.post("/predict", json={"instances": [[1, 2, 3]]}).raise_for_status()
        eventually(lambda: server.metric("atelier_predictions_total", model="house") == 1)
        assert "atelier_input" not in server.client.get("/metrics").text


@pytest.mark.process
def test_the_newest_version_is_what_inputs_are_compared_with(store: Store) -> None:
    """The series go on over a promotion, so that they do not grow in number with each."""
    near, far = trained_on_its_inputs(rows_bundle(1)), rows_bundle(2)
    statistics = InputStatistics(mean=(100.0,) * 3, std=(50.0,) * 3, count=64)
    publish(store, near, "house")
    with serving(store, "house", "--poll-interval", "0.05") as server:
        server.client.post("/predict", json={"instances": near.inputs.tolist()}).raise_for_status()
        eventually(lambda: server.metric("atelier_input_rows_total", model="house") == len(near.inputs))
        assert counted(server, "house", "age") == pytest.approx(0, abs=1e-6)
        version = publish(store, replace(far, fields=far.fields | {"input_statistics": statistics}), "house")
        eventually(lambda: server.version() == version)
        server.client.post("/predict", json={"instances": [[0, 0, 0]] * len(near.inputs)}).raise_for_status()
        eventually(lambda: server.metric("atelier_input_rows_total", model="house") == 2 * len(near.inputs))
        assert counted(server, "house", "age") == pytest.approx(-1)
