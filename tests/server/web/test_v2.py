"""The Open Inference Protocol, version 2: what its clients ask for and get."""

from typing import Any

import numpy as np
import pytest
from atelier_store.layout import Store

from tests.support.onnx_bundles import image_bundle, publish, rows_bundle
from tests.support.server_process import Server, errors, problem

pytestmark = pytest.mark.process

PIXELS = image_bundle().inputs[:2]
IMAGES, ROWS = "/v2/models/digits", "/v2/models/house"


def tensor(data: Any, **changes: Any) -> dict[str, Any]:
    """An input of the rows model; None takes a member away."""
    given = {"name": "input", "datatype": "FP32", "shape": [1, 3], "data": data} | changes
    return {"inputs": [{name: value for name, value in given.items() if value is not None}]}


def infer(server: Server, request: Any, path: str = ROWS) -> Any:
    return server.client.post(f"{path}/infer", json=request)


def test_the_server_and_its_health(images: Server) -> None:
    about = images.client.get("/v2").raise_for_status().json()
    assert about["name"] == "katib-nas-atelier" and about["version"] and about["extensions"] == ["binary_tensor_data"]
    assert images.client.get("/v2/health/live").json() == {"live": True}
    assert images.client.get("/v2/health/ready").json() == {"ready": True}


@pytest.mark.parametrize("by_version", [False, True])
def test_metadata_readiness_and_inference_with_and_without_the_version(images: Server, by_version: bool) -> None:
    version = images.version()
    path = f"{IMAGES}/versions/{version}" if by_version else IMAGES
    assert images.client.get(path).raise_for_status().json() == {
        "name": "digits",
        "versions": [version],
        "platform": "onnx_onnxv1",
        "inputs": [{"name": "input", "datatype": "UINT8", "shape": [-1, 8, 8]}],
        "outputs": [{"name": "probabilities", "datatype": "FP32", "shape": [-1, 3]}],
    }
    assert images.client.get(f"{path}/ready").raise_for_status().json() == {"name": "digits", "ready": True}
    request = {
        "id": "a-1",
        "inputs": [{"name": "input", "datatype": "UINT8", "shape": [2, 8, 8], "data": PIXELS.ravel().tolist()}],
        "outputs": [{"name": "probabilities"}],
    }
    answer = infer(images, request, path).raise_for_status().json()
    [output] = answer.pop("outputs")
    assert answer == {"model_name": "digits", "model_version": version, "id": "a-1"}
    assert output["name"] == "probabilities" and output["datatype"] == "FP32" and output["shape"] == [2, 3]
    friendly = images.client.post("/predict", json={"instances": PIXELS.tolist()}).json()["predictions"]
    assert output["data"] == [p for prediction in friendly for p in prediction["probabilities"].values()]


@pytest.mark.parametrize("data", [[1, 2, 3, 4, 5, 6], [[1, 2, 3], [4, 5, 6]], [1.0, 2, 3, 4, 5, 6]])
def test_data_may_be_flat_or_nested_whole_or_not(rows: Server, data: list[Any]) -> None:
    answer = infer(rows, tensor(data, shape=[2, 3])).raise_for_status().json()
    assert "id" not in answer
    assert answer["outputs"] == [{"name": "prediction", "datatype": "FP32", "shape": [2, 1], "data": [14.0, 32.0]}]


def test_a_tensor_larger_than_a_batch_keeps_its_order(rows: Server) -> None:
    features = np.random.default_rng(0).normal(size=(1000, 3)).astype(np.float32)
    answer = infer(rows, tensor(features.ravel().tolist(), shape=[1000, 3])).raise_for_status().json()
    np.testing.assert_allclose(answer["outputs"][0]["data"], features @ [1, 2, 3], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        ([], {"#": "must be an object with inputs, is a list of 0"}),
        ({}, {"#/inputs": "is missing"}),
        ({"inputs": {}}, {"#/inputs": "must be a list, is an object"}),
        ({"inputs": []}, {"#/inputs": "the input 'input' is missing"}),
        ({"inputs": [5]}, {"#/inputs/0": "must be an object, is 5", "#/inputs": "the input 'input' is missing"}),
        (
            tensor([1, 2, 3], name="other"),
            {"#/inputs/0/name": "must be 'input', is 'other'", "#/inputs": "the input 'input' is missing"},
        ),
        (
            tensor([1, 2, 3], name=["input"]),
            {"#/inputs/0/name": "must be 'input', is a list of 1", "#/inputs": "the input 'input' is missing"},
        ),
        ({"inputs": tensor([1, 2, 3])["inputs"] * 2}, {"#/inputs/1/name": "'input' is given twice"}),
        (tensor([1, 2, 3], datatype="FP64"), {"#/inputs/0/datatype": "must be 'FP32', is 'FP64'"}),
        (tensor([1, 2, 3], datatype=None), {"#/inputs/0/datatype": "must be 'FP32', is null"}),
        (tensor([1, 2, 3], shape=None), {"#/inputs/0/shape": "must be a list of whole numbers, is null"}),
        (tensor([1, 2, 3], shape=[1.0, 3]), {"#/inputs/0/shape": "must be a list of whole numbers, is a list of 2"}),
        (tensor([1, 2, 3], shape=[]), {"#/inputs/0/shape": "must be [-1, 3] with -1 the number of rows, is []"}),
        (tensor([1, 2, 3], shape=[3]), {"#/inputs/0/shape": "must be [-1, 3] with -1 the number of rows, is [3]"}),
        (
            tensor([1, 2, 3], shape=[1, 4]),
            {"#/inputs/0/shape": "must be [-1, 3] with -1 the number of rows, is [1, 4]"},
        ),
        (tensor([], shape=[0, 3]), {"#/inputs/0/shape": "must hold at least one row, is [0, 3]"}),
        (tensor([1, 2, 3], shape=[-1, 3]), {"#/inputs/0/shape": "must hold at least one row, is [-1, 3]"}),
        (tensor(None), {"#/inputs/0/data": "is missing"}),
        (tensor("AAAA"), {"#/inputs/0/data": "must be a list, is 'AAAA'"}),
        (tensor([1, 2]), {"#/inputs/0/data": "must have shape 3, has 2"}),
        (tensor([1, 2, 3], shape=[10**9, 3]), {"#/inputs/0/data": "must have shape 3000000000, has 3"}),
        (tensor([[1, 2]]), {"#/inputs/0/data": "must have shape 1 x 3, has 1 x 2"}),
        (tensor([[1, 2, 3], [4, 5]], shape=[2, 3]), {"#/inputs/0/data/1": "must have 3 values, has 2"}),
        (
            tensor([1, "2", None]),
            {"#/inputs/0/data/1": "must be a number, is '2'", "#/inputs/0/data/2": "must be a number, is null"},
        ),
        (tensor([1, [2], 3]), {"#/inputs/0/data/1": "must be a number, is a list of 1"}),
        (tensor([1, 2, 1e39]), {"#/inputs/0/data/2": "must be within ±3.403e+38, is 1e+39"}),
        (tensor([1, 2, 3]) | {"id": 7}, {"#/id": "must be a string, is 7"}),
        (tensor([1, 2, 3]) | {"outputs": "all"}, {"#/outputs": "must be a list, is 'all'"}),
        (tensor([1, 2, 3]) | {"outputs": [{"name": "x"}]}, {"#/outputs/0/name": "must be 'prediction', is 'x'"}),
        (tensor([1, 2, 3]) | {"outputs": [{"name": []}]}, {"#/outputs/0/name": "must be 'prediction', is a list of 0"}),
        (
            tensor([1, 2, 3]) | {"outputs": [{"name": "prediction", "parameters": {"binary_data": "yes"}}]},
            {"#/outputs/0/parameters/binary_data": "must be true or false, is 'yes'"},
        ),
        (
            tensor([1, 2, 3]) | {"parameters": {"binary_data_output": 1}},
            {"#/parameters/binary_data_output": "must be true or false, is 1"},
        ),
        (tensor([1, 2, 3]) | {"parameters": 1}, {"#/parameters": "must be an object, is 1"}),
        (
            tensor([1, 2, 3], datatype="INT8", shape=[1]) | {"id": 1},
            {
                "#/id": "must be a string, is 1",
                "#/inputs/0/datatype": "must be 'FP32', is 'INT8'",
                "#/inputs/0/shape": "must be [-1, 3] with -1 the number of rows, is [1]",
            },
        ),
    ],
)
def test_a_request_that_cannot_be_served_names_every_violation(
    rows: Server, request_: Any, expected: dict[str, str]
) -> None:
    response = infer(rows, request_)
    assert errors(response, 400) == expected
    assert response.json()["error"] == response.json()["detail"]


@pytest.mark.parametrize("path", ["", "/ready", "/infer"])
@pytest.mark.parametrize(
    "model", ["/v2/models/letters", f"{IMAGES}/versions/000000000000", "/v2/models/letters/versions/1"]
)
def test_another_model_or_version_is_not_found(images: Server, model: str, path: str) -> None:
    request: dict[str, object] = {"inputs": []}
    response = images.client.post(model + path, json=request) if path == "/infer" else images.client.get(model + path)
    body = problem(response, 404)
    assert body["error"] == body["detail"] and "digits" in body["error"]


def test_a_body_of_another_media_type_is_refused(rows: Server) -> None:
    refused = problem(rows.client.post(f"{ROWS}/infer", content=b"{}", headers={"Content-Type": "text/plain"}), 415)
    assert "application/json or application/octet-stream" in refused["error"]


def test_parameters_that_mean_nothing_here_are_let_through(rows: Server) -> None:
    request = tensor([1, 2, 3], parameters={"colour": "red"}) | {"parameters": {"priority": 7}, "id": None}
    assert infer(rows, request).raise_for_status().json()["outputs"][0]["data"] == [14.0]


OPTIONAL: list[dict[str, Any]] = [
    {"id": None, "parameters": None, "outputs": None},
    {"parameters": {"binary_data_output": None, "priority": None}},
    {"outputs": []},
    {"outputs": [{"name": "prediction", "parameters": None}]},
    {"outputs": [{"name": "prediction", "parameters": {"binary_data": None, "classification": None}}]},
]


@pytest.mark.parametrize("unusual", [{}, {"datatype_hint": None}, {"data": [[1, 2, 3]]}], ids=str)
@pytest.mark.parametrize("parameters", [{}, None, {"binary_data_size": None, "content_type": None}], ids=str)
@pytest.mark.parametrize("members", OPTIONAL, ids=str)
def test_an_optional_member_that_is_null_is_as_if_absent(
    rows: Server, members: dict[str, Any], parameters: dict[str, Any] | None, unusual: dict[str, Any]
) -> None:
    given = {"name": "input", "datatype": "FP32", "shape": [1, 3], "data": [1, 2, 3], "parameters": parameters}
    answer = infer(rows, {"inputs": [given | unusual]} | members).raise_for_status().json()
    assert "id" not in answer
    assert answer["outputs"] == [{"name": "prediction", "datatype": "FP32", "shape": [1, 1], "data": [14.0]}]


@pytest.mark.parametrize("member", ["inputs", "name", "datatype", "shape", "data"])
def test_a_member_that_is_needed_is_missing_if_it_is_null(rows: Server, member: str) -> None:
    request = tensor([1, 2, 3])
    (request if member == "inputs" else request["inputs"][0])[member] = None
    wrong = errors(infer(rows, request), 400)
    assert any(pointer.endswith(member) for pointer in wrong), wrong


def test_members_that_are_nested_deeply_are_no_failure(rows: Server) -> None:
    text = '{"parameters": {"a": ' + '{"parameters": [' * 300 + "null" + "]}" * 300 + '}, "inputs": []}'
    answer = rows.client.post(f"{ROWS}/infer", content=text, headers={"Content-Type": "application/json"})
    problem(answer, 400)


def test_a_row_for_which_the_model_gives_no_finite_number_is_a_bad_request(rows: Server) -> None:
    assert "no finite number" in problem(infer(rows, tensor([3e38, 3e38, 3e38])), 400)["error"]


def test_malformed_json_is_a_bad_request(rows: Server) -> None:
    assert "not JSON" in problem(rows.client.post(f"{ROWS}/infer", content=b"{"), 400)["error"]


def test_a_model_whose_features_have_no_names_takes_tensors_all_the_same(store: Store) -> None:
    from tests.support.server_process import serving

    publish(store, rows_bundle(names=None), "house")
    with serving(store, "house") as server:
        assert infer(server, tensor([1, 2, 3])).raise_for_status().json()["outputs"][0]["data"] == [14.0]
        named = server.client.post("/predict", json={"instances": [{"age": 1}]})
        assert errors(named, 422) == {"#/instances/0": "must be a list of numbers: this model's features have no names"}
