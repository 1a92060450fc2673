import gzip
import json
import socket
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import httpx
import numpy as np
import pytest

from tests.support.onnx_bundles import FEATURES, LABELS, image_bundle
from tests.support.server_process import Server, errors, eventually, problem

pytestmark = pytest.mark.process

IMAGE = [[0] * 8 for _ in range(8)]


def image(row: int, column: int, value: object) -> list[list[object]]:
    """A black picture with one value changed."""
    changed: list[list[object]] = [list(line) for line in IMAGE]
    changed[row][column] = value
    return changed


def predict(server: Server, *instances: object) -> httpx.Response:
    content = json.dumps({"instances": instances})  # json writes NaN, which httpx would refuse
    return server.client.post("/predict", content=content, headers={"Content-Type": "application/json"})


def test_every_row_gets_the_label_and_probabilities_that_the_network_gives(images: Server) -> None:
    pixels = image_bundle().inputs
    with np.load(next(images.store.model("digits").versions.glob("*/reference.npz"))) as reference:
        expected = reference["output"]

    answer = predict(images, *pixels.tolist()).raise_for_status().json()

    assert answer["model"] == "digits"
    assert answer["version"] == images.client.get("/model").json()["version"]
    given = np.array([[p["probabilities"][label] for label in LABELS] for p in answer["predictions"]])
    np.testing.assert_allclose(given, expected, rtol=1e-5)
    for prediction, row in zip(answer["predictions"], expected, strict=True):
        assert prediction["label"] == LABELS[row.argmax()]
        assert prediction["probability"] == prediction["probabilities"][prediction["label"]]


def test_a_request_larger_than_a_batch_keeps_its_order(images: Server) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (600, 8, 8)).tolist()
    together = predict(images, *pixels).json()["predictions"]
    assert len(together) == 600
    for index in (0, 255, 256, 599):
        alone = predict(images, pixels[index]).json()["predictions"][0]
        assert alone["probability"] == pytest.approx(together[index]["probability"], rel=1e-5)


def test_regression_gives_values_for_rows_as_lists_or_by_feature_name(rows: Server) -> None:
    named = dict(zip(reversed(FEATURES), (3.0, 2.0, 1.0), strict=True))  # age 1, height 2, weight 3
    answer = predict(rows, [1.0, 2.0, 3.0], named, [1, 0, 0]).raise_for_status().json()
    assert [p["value"] for p in answer["predictions"]] == pytest.approx([14, 14, 1])


def test_whole_numbers_written_with_a_point_are_pixels(images: Server) -> None:
    assert (
        predict(images, image(0, 0, 7.0)).json()["predictions"] == predict(images, image(0, 0, 7)).json()["predictions"]
    )


@pytest.mark.parametrize(
    ("instance", "pointer", "detail"),
    [
        (image(0, 3, 256), "#/instances/0/0/3", "must be 0 to 255, is 256"),
        (image(7, 7, -1), "#/instances/0/7/7", "must be 0 to 255, is -1"),
        (image(1, 1, 3.5), "#/instances/0/1/1", "must be a whole number, is 3.5"),
        (image(0, 0, float("nan")), "#/instances/0/0/0", "must be a finite number, is nan"),
        (image(0, 0, float("inf")), "#/instances/0/0/0", "must be a finite number, is inf"),
        (image(0, 0, "7"), "#/instances/0/0/0", "must be a number, is '7'"),
        (image(0, 0, True), "#/instances/0/0/0", "must be a number, is true"),
        (image(0, 0, None), "#/instances/0/0/0", "must be a number, is null"),
        (image(0, 0, [1]), "#/instances/0/0/0", "must be a number, is a list of 1"),
        (image(0, 0, {}), "#/instances/0/0/0", "must be a number, is an object"),
        (image(0, 0, 10**400), "#/instances/0/0/0", "must be 0 to 255, is a 401-digit number"),
        (IMAGE[:7], "#/instances/0", "must have shape 8 x 8, has 7 x 8"),
        ([[*line, 0] for line in IMAGE], "#/instances/0", "must have shape 8 x 8, has 8 x 9"),
        ([0] * 64, "#/instances/0", "must have shape 8 x 8, has 64"),
        ([[[0]]], "#/instances/0", "must have shape 8 x 8, has 1 x 1 x 1"),
        ([], "#/instances/0", "must have shape 8 x 8, has 0"),
        (5, "#/instances/0", "must be a list of shape 8 x 8, is 5"),
        ("picture", "#/instances/0", "must be a list of shape 8 x 8, is 'picture'"),
        ([*IMAGE[:7], [0] * 7], "#/instances/0/7", "must have 8 values, has 7"),
        ({"a": 1}, "#/instances/0", "must be a list of numbers: this model's features have no names"),
    ],
)
def test_a_value_that_is_no_picture_is_named(images: Server, instance: object, pointer: str, detail: str) -> None:
    assert errors(predict(images, instance), 422) == {pointer: detail}


def test_all_violations_of_all_rows_are_listed_at_once(images: Server) -> None:
    found = errors(predict(images, image(0, 0, 300), IMAGE, image(2, 2, "x"), IMAGE[:3]), 422)
    assert list(found) == ["#/instances/0/0/0", "#/instances/2/2/2", "#/instances/3"]


def test_a_thousand_violations_are_cut_and_say_so(images: Server) -> None:
    found = problem(predict(images, *[[[256] * 8] * 8] * 20), 422)["errors"]
    assert len(found) == 101
    assert found[-1] == {"pointer": "#", "detail": "more than 100 violations; the rest is not listed"}


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"age": 1, "height": 2}, {"#/instances/0/weight": "is missing"}),
        ({"age": 1, "height": "2", "weight": 3}, {"#/instances/0/height": "must be a number, is '2'"}),
        (
            {"age": 1, "height": 2, "weight": 3, "a/b": 4},
            {"#/instances/0/a~1b": "is not a feature of this model; its features: age, height, weight"},
        ),
        (
            {"wait": 3},
            {
                "#/instances/0/age": "is missing",
                "#/instances/0/height": "is missing",
                "#/instances/0/weight": "is missing",
                "#/instances/0/wait": "is not a feature of this model; its features: age, height, weight",
            },
        ),
        ([1, 2], {"#/instances/0": "must have shape 3, has 2"}),
        ([1, 2, 1e39], {"#/instances/0/2": "must be within ±3.403e+38, is 1e+39"}),
        ([1, 2, 10**400], {"#/instances/0/2": "must be within ±3.403e+38, is a 401-digit number"}),
        ([1, 2, False], {"#/instances/0/2": "must be a number, is false"}),
    ],
)
def test_a_bad_row_of_features_is_named_by_feature(rows: Server, row: object, expected: dict[str, str]) -> None:
    assert errors(predict(rows, row), 422) == expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"instances": []}, {"#/instances": "must be a list of at least one row, is a list of 0"}),
        ({}, {"#/instances": "is missing"}),
        ({"instances": 7}, {"#/instances": "must be a list of at least one row, is 7"}),
        ({"instances": None}, {"#/instances": "must be a list of at least one row, is null"}),
        ({"inputs": [IMAGE]}, {"#/inputs": "is not known; only instances is", "#/instances": "is missing"}),
        ([IMAGE], {"#": 'must be an object {"instances": [...]}, is a list of 1'}),
        ("text", {"#": "must be an object {\"instances\": [...]}, is 'text'"}),
    ],
)
def test_a_body_without_rows_says_what_is_missing(images: Server, body: object, expected: dict[str, str]) -> None:
    assert errors(images.client.post("/predict", json=body), 422) == expected


@pytest.mark.parametrize(
    "content", [b"", b"{", b'{"instances": [[', b"\xff\xfe", b"[" * 100_000, b"nonsense", b'{"\\ud800": 1}']
)
def test_a_body_that_is_not_json_is_a_bad_request(images: Server, content: bytes) -> None:
    response = images.client.post("/predict", content=content, headers={"Content-Type": "application/json"})
    assert "not JSON" in problem(response, 400)["detail"]


@pytest.mark.parametrize("media_type", ["application/x-www-form-urlencoded", "text/plain", "application/xml", "json"])
def test_another_media_type_is_refused_with_the_ones_that_work(images: Server, media_type: str) -> None:
    response = images.client.post("/predict", content=b"{}", headers={"Content-Type": media_type})
    detail = problem(response, 415)["detail"]
    assert "application/json" in detail and media_type in detail


def test_json_needs_no_content_type_and_may_name_its_charset(images: Server) -> None:
    content = json.dumps({"instances": [IMAGE]}).encode()
    for headers in ({}, {"Content-Type": "application/json; charset=utf-8"}, {"Content-Type": "Application/JSON"}):
        assert images.client.post("/predict", content=content, headers=headers).status_code == 200


@pytest.mark.parametrize("streamed", [False, True])
def test_a_body_over_the_limit_is_refused_whether_or_not_its_length_is_declared(images: Server, streamed: bool) -> None:
    mebibyte = b" " * 2**20
    content = (mebibyte for _ in range(17)) if streamed else mebibyte * 17
    response = images.client.post("/predict", content=content, headers={"Content-Type": "application/json"})
    assert "16777216 bytes" in problem(response, 413)["detail"]


def test_a_client_that_reads_only_after_it_has_sent_everything_reads_the_refusal(images: Server) -> None:
    body = b" " * (48 * 2**20)
    headers = {"Content-Type": "application/json"}
    with pytest.raises(HTTPError) as refused:
        urlopen(Request(f"{images.url}/predict", body, headers), timeout=30)
    assert refused.value.code == 413


def test_a_client_that_goes_away_is_no_failure_of_the_server(images: Server) -> None:
    before = images.metric("atelier_requests_total", endpoint="/predict", status="400")
    with socket.create_connection(("127.0.0.1", images.port)) as client:
        client.sendall(b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{")
    eventually(lambda: images.metric("atelier_requests_total", endpoint="/predict", status="400") > before)
    assert images.metric("atelier_requests_total", endpoint="/predict", status="500") == 0
    assert "Traceback" not in images.log


def test_whole_numbers_beyond_64_bits_are_numbers_to_a_model_of_floats(rows: Server) -> None:
    assert predict(rows, [10**30, 0, 0]).json()["predictions"][0]["value"] == pytest.approx(1e30)


def test_a_row_for_which_the_model_gives_no_finite_number_is_refused(rows: Server) -> None:
    assert "no finite number" in problem(predict(rows, [3e38, 3e38, 3e38]), 422)["detail"]


def test_a_compressed_body_is_refused(images: Server) -> None:
    response = images.client.post("/predict", content=gzip.compress(b"{}"), headers={"Content-Encoding": "gzip"})
    assert "Content-Encoding must be identity, is gzip" in problem(response, 415)["detail"]


def test_a_number_of_text_where_a_flag_belongs_is_named(images: Server) -> None:
    response = images.client.post("/predict?invert=perhaps", json={"instances": [IMAGE]})
    assert list(errors(response, 422)) == ["#/query/invert"]
