"""Rows of a table over HTTP: whatever way they come, the answers are those of ONNX Runtime itself."""

import csv
import json
from io import StringIO

import httpx
import numpy as np
import pytest
from atelier_store.instances import instances

from tests.support.onnx_bundles import LABELS, outputs_of
from tests.support.server_process import Server, errors
from tests.support.table_bundles import PASSENGER, table_bundle

pytestmark = pytest.mark.process

BUNDLE = table_bundle()
ROWS = instances(BUNDLE.given, PASSENGER)
INFER = "/v2/models/passenger/infer"


@pytest.fixture(scope="module")
def expected() -> np.ndarray:
    """The answers to the reference rows: real ones, one of gaps and one of unseen words."""
    assert not isinstance(BUNDLE.network, bytes)
    return outputs_of(BUNDLE.network.SerializeToString(), BUNDLE.given)


def probabilities(answer: httpx.Response) -> list[list[float]]:
    predictions = answer.raise_for_status().json()["predictions"]
    return [[one["probabilities"][label] for label in LABELS] for one in predictions]


def test_json_by_name_and_as_lists(passengers: Server, expected: np.ndarray) -> None:
    for given in (ROWS, [dict(reversed(row.items())) for row in ROWS], [list(row.values()) for row in ROWS]):
        np.testing.assert_allclose(
            probabilities(passengers.client.post("/predict", json={"instances": given})), expected, rtol=1e-4, atol=1e-6
        )
    alone = [probabilities(passengers.client.post("/predict", json={"instances": [row]}))[0] for row in ROWS[-4:]]
    np.testing.assert_allclose(alone, expected[-4:], rtol=1e-4, atol=1e-6)


def test_csv(passengers: Server, expected: np.ndarray) -> None:
    file = StringIO()
    writer = csv.DictWriter(file, sorted(ROWS[0]))
    writer.writeheader()
    writer.writerows(ROWS)
    answer = passengers.client.post("/predict", content=file.getvalue(), headers={"Content-Type": "text/csv"})
    np.testing.assert_allclose(probabilities(answer), expected, rtol=1e-4, atol=1e-6)


def test_the_protocols_metadata_and_tensors(passengers: Server, expected: np.ndarray) -> None:
    inputs = passengers.client.get("/v2/models/passenger").json()["inputs"]
    assert {one["name"]: one["datatype"] for one in inputs} == {
        "age": "FP32",
        "sex": "BYTES",
        "port of call": "BYTES",
        "alone": "BYTES",
        "fare": "FP32",
        "boarded": "FP64",
    }
    for tensor in inputs:
        array = BUNDLE.given[tensor["name"]]
        values = array.ravel().tolist()
        tensor |= {"shape": [len(array)], "data": [None if value != value else value for value in values]}
    [output] = passengers.client.post(INFER, json={"inputs": inputs}).raise_for_status().json()["outputs"]
    np.testing.assert_allclose(np.reshape(output["data"], output["shape"]), expected, rtol=1e-4, atol=1e-6)


def test_what_is_wrong_is_a_problem_that_lists_it(passengers: Server) -> None:
    wrong = json.dumps({"instances": [ROWS[0] | {"age": "old", "boarded": "yesterday"}]})
    found = errors(passengers.client.post("/predict", content=wrong), 422)
    assert list(found) == ["#/instances/0/age", "#/instances/0/boarded"]
    assert errors(passengers.client.post(INFER, json={"inputs": []}), 400) == {
        "#/inputs": "the input 'boarded' is missing"
    }


def test_the_card_tells_of_the_columns(passengers: Server) -> None:
    manifest = passengers.client.get("/model").json()["manifest"]
    assert manifest["columns"][1] == {"name": "sex", "kind": "category", "levels": ["female", "male"]}
    assert len(manifest["column_statistics"]) == len(PASSENGER)
