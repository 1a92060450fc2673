"""The protocol's binary tensor data extension: arrays as bytes after the JSON."""

import json
from typing import Any

import httpx
import numpy as np
import pytest
from atelier_store.layout import Store

from tests.support.onnx_bundles import image_bundle, linear, publish, rows_bundle
from tests.support.server_process import Server, errors, problem

pytestmark = pytest.mark.process

FEATURES = np.array([[1, 2, 3], [4, 5, 6]], np.float32)
EXPECTED = np.array([[14], [32]], np.float32)
ROWS = "/v2/models/house/infer"
LENGTH = "Inference-Header-Content-Length"


def given(size: Any = None, **changes: Any) -> dict[str, Any]:
    """The header of a request for FEATURES; None takes a member away."""
    header = {
        "name": "input",
        "datatype": "FP32",
        "shape": [2, 3],
        "parameters": {"binary_data_size": FEATURES.nbytes if size is None else size},
    }
    return {"inputs": [{name: value for name, value in (header | changes).items() if value is not None}]}


def send(
    server: Server, header: dict[str, Any], tail: bytes = b"", path: str = ROWS, length: object = None
) -> httpx.Response:
    text = json.dumps(header).encode()
    headers = {LENGTH: str(len(text) if length is None else length), "Content-Type": "application/octet-stream"}
    return server.client.post(path, content=text + tail, headers=headers)


def received(response: httpx.Response) -> tuple[dict[str, Any], list[np.ndarray]]:
    """The JSON of an answer and the FP32 arrays after it."""
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/octet-stream"
    length = int(response.headers[LENGTH])
    header, tail, arrays = json.loads(response.content[:length]), response.content[length:], []
    for output in header["outputs"]:
        assert "data" not in output and output["datatype"] == "FP32"
        size = output["parameters"]["binary_data_size"]
        arrays.append(np.frombuffer(tail[:size], np.float32).reshape(output["shape"]))
        tail = tail[size:]
    assert tail == b""
    return header, arrays


def test_bytes_beside_data_that_is_null_are_the_data(rows: Server) -> None:
    header = given()
    header["inputs"][0]["data"] = None
    assert send(rows, header, FEATURES.tobytes()).raise_for_status().json()["outputs"][0]["data"] == [14.0, 32.0]


def test_bytes_in_give_numbers_out_unless_bytes_are_asked_for(rows: Server) -> None:
    answer = send(rows, given(), FEATURES.tobytes()).raise_for_status()
    assert answer.headers["content-type"] == "application/json" and LENGTH not in answer.headers
    assert answer.json()["outputs"] == [
        {"name": "prediction", "datatype": "FP32", "shape": [2, 1], "data": [14.0, 32.0]}
    ]


@pytest.mark.parametrize(
    "asked",
    [
        {"parameters": {"binary_data_output": True}},
        {"outputs": [{"name": "prediction", "parameters": {"binary_data": True}}]},
        {"outputs": [{"name": "prediction"}], "parameters": {"binary_data_output": True}},
    ],
)
def test_bytes_out_are_those_of_the_array(rows: Server, asked: dict[str, Any]) -> None:
    header, [array] = received(send(rows, given() | asked | {"id": "7"}, FEATURES.tobytes()))
    assert header["id"] == "7" and header["model_name"] == "house"
    np.testing.assert_array_equal(array, EXPECTED)


def test_an_output_may_be_excepted_from_bytes(rows: Server) -> None:
    asked = {
        "parameters": {"binary_data_output": True},
        "outputs": [{"name": "prediction", "parameters": {"binary_data": False}}],
    }
    assert send(rows, given() | asked, FEATURES.tobytes()).raise_for_status().json()["outputs"][0]["data"] == [
        14.0,
        32.0,
    ]


def test_numbers_in_may_give_bytes_out(rows: Server) -> None:
    request = given(parameters=None, data=FEATURES.ravel().tolist()) | {"parameters": {"binary_data_output": True}}
    _, [array] = received(rows.client.post(ROWS, json=request))
    np.testing.assert_array_equal(array, EXPECTED)


def test_pictures_as_bytes_are_answered_as_pictures_as_numbers(images: Server) -> None:
    pixels = image_bundle().inputs
    header = {"name": "input", "datatype": "UINT8", "shape": [64, 8, 8]}
    path = "/v2/models/digits/infer"
    as_bytes = send(
        images, {"inputs": [header | {"parameters": {"binary_data_size": pixels.nbytes}}]}, pixels.tobytes(), path
    )
    as_numbers = images.client.post(path, json={"inputs": [header | {"data": pixels.ravel().tolist()}]})
    assert as_bytes.raise_for_status().json() == as_numbers.raise_for_status().json()


def test_a_large_tensor_as_bytes_keeps_its_order(rows: Server) -> None:
    features = np.random.default_rng(0).normal(size=(20_000, 3)).astype(np.float32)
    header = given(features.nbytes, shape=[20_000, 3]) | {"parameters": {"binary_data_output": True}}
    _, [array] = received(send(rows, header, features.tobytes()))
    np.testing.assert_allclose(array, features @ np.array([[1], [2], [3]], np.float32), rtol=1e-4, atol=1e-5)


def test_what_json_cannot_say_can_be_given_as_bytes(rows: Server) -> None:
    largest = np.full((1, 3), 3e38, np.float32)
    header = given(largest.nbytes, shape=[1, 3])
    assert "no finite number" in problem(send(rows, header, largest.tobytes()), 400)["error"]
    _, [array] = received(send(rows, header | {"parameters": {"binary_data_output": True}}, largest.tobytes()))
    assert np.isinf(array).all()


@pytest.mark.parametrize(
    ("header", "tail", "expected"),
    [
        (
            given(20),
            FEATURES.tobytes()[:20],
            {"#/inputs/0/parameters/binary_data_size": "must be 24 for 2 x 3 of FP32, is 20"},
        ),
        (given("24"), b"", {"#/inputs/0/parameters/binary_data_size": "must be a whole number of bytes, is '24'"}),
        (given(-1), b"", {"#/inputs/0/parameters/binary_data_size": "must be a whole number of bytes, is -1"}),
        (given(), FEATURES.tobytes()[:20], {"#": "the inputs name 24 bytes of binary data, 20 follow the JSON"}),
        (given(), FEATURES.tobytes() + b"\0", {"#": "the inputs name 24 bytes of binary data, 25 follow the JSON"}),
        (
            given(parameters=None, data=[1, 2, 3, 4, 5, 6]),
            b"\0",
            {"#": "the inputs name 0 bytes of binary data, 1 follow the JSON"},
        ),
        (
            given(data=[1, 2, 3, 4, 5, 6]),
            FEATURES.tobytes(),
            {"#/inputs/0/data": "must not be given beside binary_data_size"},
        ),
        (given(), b"\xff" * 24, {"#/inputs/0/parameters/binary_data_size": "the bytes must be finite numbers only"}),
        (
            given(datatype="FP64"),
            b"",
            {
                "#/inputs/0/datatype": "must be 'FP32', is 'FP64'",
                "#": "the inputs name 24 bytes of binary data, 0 follow the JSON",
            },
        ),
    ],
)
def test_bytes_that_cannot_be_the_tensors_are_named(
    rows: Server, header: dict[str, Any], tail: bytes, expected: dict[str, str]
) -> None:
    assert errors(send(rows, header, tail), 400) == expected


@pytest.mark.parametrize("length", ["-1", "abc", "", "1000000", "9" * 5000])
def test_a_length_that_cannot_be_is_named(rows: Server, length: str) -> None:
    assert LENGTH in problem(send(rows, given(), FEATURES.tobytes(), length=length), 400)["error"]


def test_truth_values_as_bytes_are_0_or_1(store: Store) -> None:
    from dataclasses import replace

    from atelier_store.records import Tensor
    from onnx import TensorProto

    from tests.support.server_process import serving

    bundle = rows_bundle()
    fields = bundle.fields | {"inputs": (Tensor(name="input", datatype="BOOL", shape=(-1, 3)),)}
    network = linear(TensorProto.BOOL, (3,), np.array([[1.0], [2.0], [3.0]]), "prediction", softmax=False)
    publish(store, replace(bundle, network=network, inputs=bundle.inputs > 0, fields=fields), "house")
    with serving(store, "house") as server:
        header = given(3, datatype="BOOL", shape=[1, 3])
        assert send(server, header, b"\x01\x00\x01").raise_for_status().json()["outputs"][0]["data"] == [4.0]
        assert list(errors(send(server, header, b"\x02\x00\x01"), 400).values()) == ["the bytes must be 0 and 1 only"]
