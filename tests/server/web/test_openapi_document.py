"""The OpenAPI document shows real requests for the served model and its answers; Swagger UI and ReDoc render it."""

import base64
import json
import re
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
from atelier_server.codecs import v2
from atelier_server.web.openapi import examples, schemas
from atelier_store.layout import Store
from fastapi.openapi.models import OpenAPI
from msgspec import Struct
from playwright.sync_api import Error, Page, Request, expect, sync_playwright
from pydantic import BaseModel

from tests.support.browser import CHROMIUM
from tests.support.onnx_bundles import FEATURES, image_bundle, publish, rows_bundle, signal_bundle
from tests.support.server_process import Server, eventually, serving
from tests.support.table_bundles import PASSENGER

pytestmark = pytest.mark.process


def document(server: Server) -> dict[str, Any]:
    found: dict[str, Any] = server.client.get("/openapi.json").raise_for_status().json()
    OpenAPI.model_validate(found)
    return found


def predicting(document: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What /predict takes, by media type, and the answer that is shown."""
    operation = document["paths"]["/predict"]["post"]
    return operation["requestBody"]["content"], operation["responses"]["200"]["content"]["application/json"].get(
        "example"
    )


def parameters(document: dict[str, Any]) -> dict[str, Any]:
    return {parameter["name"]: parameter["schema"] for parameter in document["paths"]["/predict"]["post"]["parameters"]}


def close(given: Any, shown: Any) -> bool:
    """Equal but for the last digits of a number, which may be others in a larger batch."""
    if isinstance(shown, dict):
        return given.keys() == shown.keys() and all(close(given[name], shown[name]) for name in shown)
    if isinstance(shown, list):
        return len(given) == len(shown) and all(map(close, given, shown))
    return bool(given == (pytest.approx(shown, rel=1e-5) if isinstance(shown, float) else shown))


def test_rows_are_shown_by_name_as_a_list_and_as_csv_and_answered_as_shown(rows: Server) -> None:
    takes, answer = predicting(document(rows))
    assert takes.keys() == {"application/json", "text/csv"} and parameters(document(rows)) == {}
    assert takes["application/json"]["examples"].keys() == {"named", "list"}
    for example in takes["application/json"]["examples"].values():
        assert close(rows.client.post("/predict", json=example["value"]).json(), answer)
    table = takes["text/csv"]["example"]
    assert table.startswith("age,height,weight\n") and len(table) < 60
    assert close(rows.client.post("/predict", content=table, headers={"Content-Type": "text/csv"}).json(), answer)


def test_a_row_of_a_table_is_shown_and_described_with_its_words_and_gaps(passengers: Server) -> None:
    described = document(passengers)
    takes, answer = predicting(described)
    assert takes.keys() == {"application/json", "text/csv"}
    shown = takes["application/json"]["examples"]
    assert shown.keys() == {"named", "list", "gap"}
    assert shown["gap"]["value"]["instances"][0] == shown["named"]["value"]["instances"][0] | {"age": None}
    for name, example in shown.items():
        given = passengers.client.post("/predict", json=example["value"]).raise_for_status().json()
        assert close(given, answer) == (name != "gap")
    table = takes["text/csv"]["example"]
    assert table.startswith("age,sex,port of call,alone,fare,boarded\n")
    assert close(passengers.client.post("/predict", content=table, headers={"Content-Type": "text/csv"}).json(), answer)

    by_name, listed = described["components"]["schemas"]["Instances"]["properties"]["instances"]["items"]["anyOf"]
    assert by_name["required"] == [column.name for column in PASSENGER] and listed["minItems"] == len(PASSENGER)
    assert by_name["properties"]["sex"]["type"] == ["string", "number", "boolean", "null"]
    assert "female, male" in by_name["properties"]["sex"]["description"]


def test_a_picture_is_shown_as_pixels_and_as_itself_and_answered_as_shown(images: Server) -> None:
    takes, answer = predicting(document(images))
    assert takes.keys() == {"application/json", "multipart/form-data", "image/png"}
    assert parameters(document(images))["top_k"] == {"type": "integer", "minimum": 1, "maximum": 3}
    assert close(
        images.client.post("/predict", json=takes["application/json"]["examples"]["list"]["value"]).json(), answer
    )
    shown = document(images)["paths"]["/predict"]["post"]["requestBody"]["description"]
    (encoded,) = re.findall('data:image/png;base64,([^"]+)', shown)
    picture = base64.b64decode(encoded)
    assert close(images.client.post("/predict", files={"file": picture}).json(), answer)
    assert close(images.client.post("/predict", content=picture, headers={"Content-Type": "image/png"}).json(), answer)


@pytest.mark.parametrize("kind", ["images", "rows", "passengers"])
def test_the_protocols_example_is_answered_as_shown_at_the_path_shown(
    kind: str, request: pytest.FixtureRequest
) -> None:
    server: Server = request.getfixturevalue(kind)
    paths = document(server)["paths"]
    for path in ("/v2/models/{name}/infer", "/v2/models/{name}/versions/{version}/infer"):
        operation = paths[path]["post"]
        filled = path.format(**{p["name"]: p["example"] for p in operation["parameters"] if p["in"] == "path"})
        answer = server.client.post(filled, json=operation["requestBody"]["content"]["application/json"]["example"])
        assert close(
            answer.raise_for_status().json(), operation["responses"]["200"]["content"]["application/json"]["example"]
        )


def test_without_a_model_the_document_is_valid_and_after_a_promotion_it_is_the_new_ones(store: Store) -> None:
    with serving(store, "digits", "--poll-interval", "0.05") as server:
        takes, answer = predicting(document(server))
        assert takes.keys() == {"application/json", "text/csv", "multipart/form-data", "image/png"} and answer is None
        assert parameters(document(server)).keys() == {"invert", "top_k"}
        for bundle in (signal_bundle(), image_bundle(channels=3), image_bundle(seed=1), rows_bundle()):
            version = publish(store, bundle)
            eventually(lambda version=version: server.version() == version)
            takes, answer = predicting(document(server))
            assert answer["version"] == version
            assert ("text/csv" in takes) == (bundle.fields["kind"] != "images")
            example = takes["application/json"]["examples"]["list"]["value"]
            np.testing.assert_array_equal(np.array(example["instances"], bundle.inputs.dtype), bundle.inputs[:1])
            assert close(server.client.post("/predict", json=example).json(), answer)


def test_a_row_too_long_to_be_read_is_not_written_out(store: Store) -> None:
    publish(store, image_bundle(wide=examples.MOST_NUMBERS // 8 + 1))
    with serving(store) as server:
        takes, answer = predicting(document(server))
        assert "examples" not in takes["application/json"] and answer["predictions"]
        assert len(json.dumps(document(server))) < 100_000


def errors_of(page: Page) -> list[Error]:
    """The errors of its scripts, as they come."""
    wrong: list[Error] = []
    page.on("pageerror", lambda error: wrong.append(error))
    return wrong


def asked_for(page: Page) -> set[str]:
    """The hosts that the page asks, filled in as it loads; what its policy forbids is not asked for."""
    hosts: set[str] = set()

    def note(request: Request) -> None:
        if not request.url.startswith(("blob:", "data:")):
            hosts.add(str(urlsplit(request.url).hostname))

    page.on("requestfinished", note)
    page.on("requestfailed", lambda request: None if request.failure == "csp" else note(request))
    return hosts


def test_swagger_ui_and_redoc_show_the_models_example_and_load_nothing_from_elsewhere(rows: Server) -> None:
    with sync_playwright() as playwright, playwright.chromium.launch(executable_path=CHROMIUM) as browser:
        for path, opening in (
            ("docs", "#operations-predict-predict_predict_post .opblock-summary-control"),
            ("redoc", "text=Expand all"),
        ):
            page = browser.new_page()
            hosts = asked_for(page)
            wrong = errors_of(page)
            page.goto(f"{rows.url}/{path}")
            page.locator(opening).first.click()
            for name in FEATURES:
                expect(page.get_by_text(f'"{name}"').first).to_be_visible()
            assert wrong == [] and hosts == {"127.0.0.1"}, path


@pytest.mark.parametrize(
    ("described", "decoded"),
    [
        (schemas.InferenceRequest, v2.Request),
        (schemas.InferenceInput, v2.Input),
        (schemas.RequestedOutput, v2.Output),
    ],
)
def test_a_request_is_described_with_the_members_that_are_decoded(
    described: type[BaseModel], decoded: type[Struct]
) -> None:
    assert set(described.model_fields) == set(decoded.__struct_fields__)
