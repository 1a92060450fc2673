"""What the server says of itself: card, counters, documentation, page, and every error as a problem."""

import base64
import hashlib
import re
from html.parser import HTMLParser
from typing import Any

import pytest
from atelier_store.records import Manifest, Promotion
from fastapi.openapi.models import OpenAPI
from prometheus_client.parser import text_string_to_metric_families

from tests.support.onnx_bundles import image_bundle
from tests.support.server_process import Server, problem

pytestmark = pytest.mark.process

ROUTES = {
    "/predict": "post",
    "/model": "get",
    "/model/report": "get",
    "/metrics": "get",
    "/v2": "get",
    "/v2/health/live": "get",
    "/v2/health/ready": "get",
    "/v2/models/{name}": "get",
    "/v2/models/{name}/ready": "get",
    "/v2/models/{name}/infer": "post",
    "/v2/models/{name}/versions/{version}": "get",
    "/v2/models/{name}/versions/{version}/ready": "get",
    "/v2/models/{name}/versions/{version}/infer": "post",
}


def test_the_card_is_the_manifest_and_the_promotion_of_what_is_served(images: Server) -> None:
    card = images.client.get("/model").raise_for_status().json()
    folder = images.store.model("digits").versions / card["version"]
    assert card["model"] == "digits" and card["refused"] is None and card["waiting"] is None
    assert Manifest.model_validate(card["manifest"]) == Manifest.read(folder / "manifest.json")
    assert Promotion.model_validate(card["promotion"]) == Promotion.read(folder / "promotion.json")
    assert card["onnx_bytes"] == (folder / "model.onnx").stat().st_size


def test_metrics_are_prometheus_text_and_follow_its_conventions(images: Server) -> None:
    images.client.post("/predict", json={"instances": image_bundle().inputs.tolist()})
    response = images.client.get("/metrics")
    assert response.headers["content-type"].startswith("text/plain; version=")
    families = {family.name: family for family in text_string_to_metric_families(response.text)}
    ours = {name: family for name, family in families.items() if name.startswith("atelier_")}
    assert ours.keys() == {
        "atelier_requests",
        "atelier_requests_in_flight",
        "atelier_request_duration_seconds",
        "atelier_request_rows",
        "atelier_batch_rows",
        "atelier_queue_duration_seconds",
        "atelier_predictions",
        "atelier_predicted_classes",
        "atelier_model_swaps",
        "atelier_model_evictions",
        "atelier_model_loaded",
        "atelier_model_info",
        "atelier_model_load_timestamp_seconds",
        "atelier_model_load_seconds",
        "atelier_pointer_refresh_failures",
    }
    assert "process_resident_memory_bytes" in families
    for family in ours.values():
        assert family.documentation
        assert re.fullmatch(r"[a-z][a-z_]*[a-z]", family.name)
        if family.type == "counter":
            assert {sample.name for sample in family.samples} == {f"{family.name}_total"}


def test_counters_move_by_what_was_asked(images: Server) -> None:
    def counts() -> dict[str, float]:
        endpoint = {"endpoint": "/predict"}
        return {
            "answered": images.metric("atelier_requests_total", status="200", **endpoint),
            "refused": images.metric("atelier_requests_total", status="422", **endpoint),
            "timed": images.metric("atelier_request_duration_seconds_count", **endpoint),
            "rows": images.metric("atelier_predictions_total"),
            "nowhere": images.metric("atelier_requests_total", endpoint="none", status="404"),
            "by template": images.metric("atelier_requests_total", endpoint="/v2/models/{name}", status="404"),
        }

    before = counts()
    for rows in (1, 5):
        images.client.post("/predict", json={"instances": image_bundle().inputs[:rows].tolist()}).raise_for_status()
    images.client.post("/predict", json={})
    request = {"name": "input", "datatype": "UINT8", "shape": [1, 8, 8], "data": [0] * 64}
    images.client.post("/v2/models/digits/infer", json={"inputs": [request]}).raise_for_status()
    for path in ("/a", "/b/c"):
        images.client.get(path)
    images.client.get("/v2/models/letters")
    moved = {name: value - before[name] for name, value in counts().items()}
    assert moved == {"answered": 2, "refused": 1, "timed": 3, "rows": 7, "nowhere": 2, "by template": 1}


def test_the_api_document_is_valid_and_lists_every_route(images: Server) -> None:
    document = images.client.get("/openapi.json").raise_for_status().json()
    OpenAPI.model_validate(document)
    assert {path: list(methods) for path, methods in document["paths"].items()} == {
        path: [method] for path, method in ROUTES.items()
    }
    for reference in references(document):
        name = reference.removeprefix("#/components/schemas/")
        assert name in document["components"]["schemas"]
    operations = [operation for methods in document["paths"].values() for operation in methods.values()]
    assert len({operation["operationId"] for operation in operations}) == len(ROUTES)
    for operation in operations:
        assert operation["description"]
        problems = {
            status: answer for status, answer in operation["responses"].items() if status.startswith(("4", "5"))
        }
        assert all("application/problem+json" in answer["content"] for answer in problems.values())


def references(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
        return own + [found for inner in value.values() for found in references(inner)]
    return [found for inner in value for found in references(inner)] if isinstance(value, list) else []


class Addresses(HTMLParser):
    """What a page makes a browser load, or leads to."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value for name, value in attrs if name in ("src", "href") and value]


@pytest.mark.parametrize("path", ["/docs", "/redoc"])
def test_the_documentation_loads_everything_from_this_server_and_nothing_else(images: Server, path: str) -> None:
    page = images.client.get(path).raise_for_status()
    assert (
        page.headers["content-security-policy"].startswith("default-src 'none'")
        and "http" not in page.headers["content-security-policy"]
    )
    addresses = Addresses(page.text).found
    assert len(addresses) >= 2
    for address in addresses:
        assert "//" not in address
        assert images.client.get(f"/{address}").raise_for_status().content
    assert "//" not in re.sub(r"^\s*//.*|<!--.*?-->", "", page.text, flags=re.MULTILINE)


def test_the_page_is_one_document_and_its_policy_lets_in_what_it_holds(images: Server) -> None:
    page = images.client.get("/").raise_for_status()
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    policy = dict(rule.split(" ", 1) for rule in page.headers["content-security-policy"].split("; "))
    for tag in ("script", "style"):
        (content,) = re.findall(rf"<{tag}>(.*?)</{tag}>", page.text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert policy.pop(f"{tag}-src") == f"'sha256-{digest}'"
    own = dict.fromkeys(("connect-src", "base-uri", "frame-ancestors"), "'self'")
    assert policy == {"default-src": "'none'", "img-src": "data:", "form-action": "'none'", **own}
    assert len(page.content) <= 93_558, "no more bytes than its seventeen files had"
    links = [address for address in Addresses(page.text).found if not address.startswith("data:")]
    assert links == ["docs", "model", "model/report.html", "v2", "metrics", "model"]
    links.remove("model/report.html")  # hidden where the search has left none
    assert all(images.client.get(f"/{link}").status_code == 200 for link in links)


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/docs",
        "/openapi.json",
        "/model",
        "/metrics",
        "/v2",
        "/v2/health/ready",
        "/v2/models/digits",
    ],
)
def test_head_answers_as_get_does_without_the_body(images: Server, path: str) -> None:
    head, get = images.client.head(path), images.client.get(path)
    assert head.status_code == get.status_code == 200
    assert head.content == b"" and get.content
    assert head.headers["content-type"] == get.headers["content-type"]


def test_head_of_an_error_has_its_status_and_no_body(images: Server) -> None:
    response = images.client.head("/nothing")
    assert response.status_code == 404 and response.content == b""


@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        "/page/page.js",
        "/predict/",
        "/static-offline-docs/nothing",
        "/static-offline-docs/../app.py",
        "/%00",
    ],
)
def test_what_is_not_there_is_a_problem(images: Server, path: str) -> None:
    response = images.client.get(path)
    assert response.status_code == 404
    assert response.headers["content-type"] == "application/problem+json"
    assert "described at /docs" in response.json()["detail"]


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/predict", "POST"),
        ("HEAD", "/predict", "POST"),
        ("DELETE", "/model", "GET, HEAD"),
        ("POST", "/docs", "GET, HEAD"),
        ("GET", "/v2/models/digits/infer", "POST"),
    ],
)
def test_another_method_is_refused_with_those_that_work(images: Server, method: str, path: str, allowed: str) -> None:
    response = images.client.request(method, path)
    assert response.status_code == 405
    assert response.headers["allow"] == allowed
    if method != "HEAD":
        assert problem(response, 405)["detail"] == f"{method} is not allowed here; allowed: {allowed}"
