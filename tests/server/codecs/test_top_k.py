"""top_k: only the most probable classes, whatever the rows come as."""

from dataclasses import replace
from typing import Any

import httpx
import jsonschema
import numpy as np
import pytest
from atelier_server.codecs import rows
from atelier_server.models.model import load
from atelier_server.web.openapi import schemas
from atelier_store.layout import Store
from atelier_store.records import Threshold

from tests.support.encoding import encoded
from tests.support.onnx_bundles import LABELS, image_bundle, publish, signal_bundle
from tests.support.server_process import Server, errors, serving

pytestmark = pytest.mark.process

PIXELS = image_bundle().inputs[:4]


def cut(predictions: list[dict[str, Any]], count: int) -> list[dict[str, Any]]:
    """Whole predictions without what top_k leaves out; as pairs, since the order counts."""
    best = [sorted(p["probabilities"].items(), key=lambda pair: -pair[1])[:count] for p in predictions]
    return [{**p, "probabilities": pairs} for p, pairs in zip(predictions, best, strict=True)]


def paired(response: httpx.Response) -> list[dict[str, object]]:
    predictions = response.raise_for_status().json()["predictions"]
    return [{**p, "probabilities": list(p["probabilities"].items())} for p in predictions]


@pytest.mark.parametrize("count", [1, 2, 3])
def test_the_most_probable_come_first_for_json_and_pictures_alike(images: Server, count: int) -> None:
    def ask(query: str) -> list[httpx.Response]:
        files = [("file", encoded(pixels)) for pixels in PIXELS]
        return [
            images.client.post(f"/predict{query}", json={"instances": PIXELS.tolist()}),
            images.client.post(f"/predict{query}", files=files),
        ]

    for whole, some in zip(ask(""), ask(f"?top_k={count}"), strict=True):
        assert paired(some) == cut(whole.json()["predictions"], count)


def test_the_most_probable_come_first_for_csv_too(store: Store) -> None:
    publish(store, signal_bundle())
    table = "\n".join(",".join(map(str, row)) for row in signal_bundle().inputs[:5].tolist())
    headers = {"Content-Type": "text/csv"}
    with serving(store) as server:
        whole, some = (
            server.client.post(f"/predict{query}", content=table, headers=headers) for query in ("", "?top_k=2")
        )
        assert paired(some) == cut(whole.json()["predictions"], 2)


def test_of_equals_the_first_label_comes_first_as_without_top_k(store: Store) -> None:
    model = load(store.model("digits"), publish(store, image_bundle()))
    outputs = np.array([[0.25, 0.5, 0.25], [0.2, 0.4, 0.4], [1, 1, 1]], np.float32)
    for count in (1, 2, 3):
        some = rows.encode(model, outputs, count)["predictions"]
        whole = rows.encode(model, outputs)["predictions"]
        assert [p["label"] for p in some] == [p["label"] for p in whole] == ["one", "one", "zero"]
        assert [list(p["probabilities"]) for p in some] == [
            [LABELS[i] for i in order[:count]] for order in ([1, 0, 2], [1, 2, 0], [0, 1, 2])
        ]


def test_a_threshold_decides_over_the_label_and_leaves_the_probabilities(store: Store) -> None:
    model = load(store.model("digits"), publish(store, image_bundle()))
    threshold = Threshold(label="sick", value=0.25, rule="f1", metrics={})
    told = model.manifest.model_copy(update={"labels": ("well", "sick"), "thresholds": (threshold,)})
    outputs = np.array([[0.75, 0.25], [0.875, 0.125], [0.25, 0.75]], np.float32)
    predictions = rows.encode(replace(model, manifest=told), outputs)["predictions"]
    assert [(p["label"], p["probability"]) for p in predictions] == [("sick", 0.25), ("well", 0.875), ("sick", 0.75)]
    assert predictions[0]["probabilities"] == {"well": 0.75, "sick": 0.25}
    first = rows.encode(replace(model, manifest=told), outputs, 1)["predictions"][0]
    assert first == {"label": "sick", "probability": 0.25, "probabilities": {"sick": 0.25}}


def test_a_row_is_given_any_number_of_labels(store: Store) -> None:
    model = load(store.model("digits"), publish(store, image_bundle()))
    threshold = Threshold(label="sick", value=0.25, rule="f1", metrics={})
    limits = (threshold.model_copy(update={"label": "old"}), threshold)
    told = model.manifest.model_copy(update={"task": "multilabel", "labels": ("old", "sick"), "thresholds": limits})
    outputs = np.array([[0.75, 0.25], [0.125, 0.125]], np.float32)
    predictions = rows.encode(replace(model, manifest=told), outputs)["predictions"]
    for prediction in predictions:
        jsonschema.validate(prediction, schemas.labels(("old", "sick")))
    assert predictions == [
        {"labels": ["old", "sick"], "probabilities": {"old": 0.75, "sick": 0.25}},
        {"labels": [], "probabilities": {"old": 0.125, "sick": 0.125}},
    ]


def test_several_named_targets_are_answered_by_name(store: Store) -> None:
    model = load(store.model("digits"), publish(store, image_bundle()))
    fields = {"task": "regression", "labels": None, "target_names": ("low", "high")}
    values = replace(model, manifest=model.manifest.model_copy(update=fields))
    predictions = rows.encode(values, np.array([[1.0, 2.5]]))["predictions"]
    jsonschema.validate(predictions[0], schemas.values(("low", "high")))
    assert predictions == [{"value": {"low": 1.0, "high": 2.5}}]
    without = replace(values, manifest=values.manifest.model_copy(update={"target_names": None}))
    assert rows.encode(without, np.array([[1.0, 2.5]]))["predictions"] == [{"value": [1.0, 2.5]}]


@pytest.mark.parametrize("given", ["0", "-1", "4", str(10**30)])
def test_a_number_that_is_none_of_the_classes_is_refused(images: Server, given: str) -> None:
    [(pointer, detail)] = errors(
        images.client.post(f"/predict?top_k={given}", json={"instances": PIXELS.tolist()}), 422
    ).items()
    assert pointer == "#/query/top_k" and detail.startswith("must be 1 to 3, the number of classes, is ")


def test_a_text_is_refused(images: Server) -> None:
    assert list(errors(images.client.post("/predict?top_k=all", json={"instances": PIXELS.tolist()}), 422)) == [
        "#/query/top_k"
    ]


def test_a_model_of_values_has_no_most_probable_class(rows: Server) -> None:
    found = errors(rows.client.post("/predict?top_k=1", json={"instances": [[1, 2, 3]]}), 422)
    assert found == {"#/query/top_k": "must not be given to a model of values, is 1"}
