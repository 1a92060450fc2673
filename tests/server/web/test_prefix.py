"""Behind a proxy that shows the server below a path: stripped or left there, named or not, everything is found."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from html.parser import HTMLParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urljoin

import httpx
import pytest
from atelier_server.web import prefix
from atelier_store.layout import Store
from playwright.sync_api import Browser, expect

from tests.support.called import called
from tests.support.harm import GOOD, infer_path, inference
from tests.support.onnx_bundles import image_bundle, publish
from tests.support.server_process import Server, problem, serving

pytestmark = pytest.mark.process

BELOW = "/team-a/digits"


@contextmanager
def proxy(server: Server, *, strips: bool, says: bool) -> Iterator[str]:
    """A proxy that shows the server below a path, and nothing else of itself: its address."""

    class Handler(BaseHTTPRequestHandler):
        def pass_on(self) -> None:
            if self.path != BELOW and not self.path.startswith(f"{BELOW}/"):
                self.send_error(404, "another application")
                return
            path = (self.path.removeprefix(BELOW) or "/") if strips else self.path
            headers = {name: value for name, value in self.headers.items() if name.lower() != "accept-encoding"}
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers |= {"X-Forwarded-Prefix": BELOW} if says else {}
            answer = server.client.request(self.command, path, headers=headers, content=body)
            self.send_response(answer.status_code)
            for name, value in answer.headers.items():
                if name not in ("transfer-encoding", "content-length"):
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.content)))
            self.end_headers()
            self.wfile.write(answer.content)

        do_GET = do_POST = pass_on

        def log_message(self, *_: Any) -> None:
            """Nothing is printed."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{listening.server_port}{BELOW}"
        listening.shutdown()


@pytest.fixture(scope="module")
def below(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that knows its prefix."""
    store = Store(tmp_path_factory.mktemp("below") / "store")
    publish(store, image_bundle())
    with serving(store, "digits", "--root-path", f"{BELOW}/") as server:
        yield server


WAYS = {
    "stripped": {"strips": True, "says": False},
    "stripped and said": {"strips": True, "says": True},
    "left, which the server is told": {"strips": False, "says": False},
    "stripped, although the server is told": {"strips": True, "says": True, "told": True},
}


@pytest.fixture(params=WAYS, scope="module")
def shown(request: pytest.FixtureRequest, images: Server, below: Server) -> Iterator[str]:
    way = {"told": not WAYS[request.param]["strips"], **WAYS[request.param]}
    with proxy(below if way.pop("told") else images, **way) as address:
        yield address


class Addresses(HTMLParser):
    """What a page loads and links to, as a browser finds it."""

    def __init__(self, page: httpx.Response) -> None:
        super().__init__()
        self._base, self.found = str(page.url), list[str]()
        self.feed(page.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if tag == "base" and value:
                self._base = urljoin(self._base, value)
            elif name in ("src", "href") and value and not value.startswith("data:"):
                self.found.append(urljoin(self._base, value))


@pytest.mark.parametrize("path", ["/", "/docs", "/redoc"])
def test_what_a_page_loads_and_links_to_is_there(shown: str, path: str) -> None:
    page = httpx.get(shown + path).raise_for_status()
    found = Addresses(page).found
    assert found
    for address in found:
        assert address.startswith(f"{shown}/"), address
        is_hidden = address.endswith("/model/report.html")  # where the search has left none
        assert httpx.get(address).status_code == (404 if is_hidden else 200), address


def test_the_document_describes_what_lies_beside_it(shown: str) -> None:
    document = httpx.get(f"{shown}/openapi.json").raise_for_status()
    (server,) = document.json()["servers"]
    assert urljoin(str(document.url), server["url"]) == f"{shown}/"


def test_the_browser_shows_the_model_and_tries_the_api(browser: Browser, shown: str) -> None:
    with browser.new_page() as page:
        lost: list[str] = []
        page.on("response", lambda answer: lost.append(answer.url) if answer.status == 404 else None)
        page.goto(f"{shown}/")
        expect(page.locator("#name")).to_have_text("digits")
        page.goto(f"{shown}/docs")
        page.locator("#operations-about-card_model_get .opblock-summary-control").click()
        page.get_by_role("button", name="Try it out").click()
        page.get_by_role("button", name="Execute").click()
        expect(page.locator(".request-url pre")).to_have_text(f"{shown}/model")
        expect(page.locator(".live-responses-table .response-col_status").last).to_contain_text("200")
    assert lost == []


@pytest.mark.parametrize("address", ["", "/"], ids=["without the last slash", "with it"])
@pytest.mark.parametrize("way", ["stripped and said", "left, which the server is told"])
def test_the_page_is_found_without_its_last_slash(images: Server, below: Server, way: str, address: str) -> None:
    with proxy(images if WAYS[way]["strips"] else below, **WAYS[way]) as shown:
        page = httpx.get(shown + address).raise_for_status()
        assert all(found.startswith(f"{shown}/") for found in Addresses(page).found)


def test_predictions_and_errors_name_the_path_that_the_client_asked(shown: str) -> None:
    httpx.post(f"{shown}/predict", json=GOOD["digits"]).raise_for_status()
    httpx.post(f"{shown}/predict?top_k=1", json=GOOD["digits"]).raise_for_status()
    httpx.post(shown + infer_path("digits"), json=inference("digits")).raise_for_status()
    assert httpx.post(f"{shown}/v2/models/none/infer", json={}).json()["error"]


def test_a_server_that_is_told_its_prefix_answers_below_it_and_beside_it(below: Server) -> None:
    counted = sum(below.samples("atelier_requests_total", endpoint="/predict"))
    for start in ("", BELOW):
        assert below.client.get(f"{start}/v2/health/ready").json() == {"ready": True}
        assert below.client.post(f"{start}/predict", json=GOOD["digits"]).status_code == 200
        assert below.client.get(f"{start}x/model").status_code == 404
    missing = problem(below.client.get(f"{BELOW}/nothing"), 404)
    assert f"described at {BELOW}/docs" in missing["detail"]
    assert sum(below.samples("atelier_requests_total", endpoint="/predict")) == counted + 2


def test_a_token_is_asked_for_below_the_prefix_as_elsewhere(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("token")
    (folder / "token").write_text("secret")
    arguments = ["--root-path", BELOW, "--token-file", str(folder / "token")]
    with serving(Store(folder / "store"), "digits", *arguments) as server:
        opened = {path: server.client.get(BELOW + path).status_code for path in ("", "/", "/model")}
    assert opened == {"": 200, "/": 200, "/model": 401}


@pytest.mark.parametrize(
    "header", ["//elsewhere.example", "https://elsewhere.example", '/"><script>', "/a, /b", "a", "/a//b", "/\u00e4"]
)
def test_a_header_that_is_no_path_is_not_believed(images: Server, header: str) -> None:
    page = images.client.get("/", headers={b"X-Forwarded-Prefix": header.encode("latin-1")}).raise_for_status()
    assert page.text == images.client.get("/").text and "<base" not in page.text


def test_a_prefix_is_a_path(tmp_path_factory: pytest.TempPathFactory) -> None:
    done = called(
        "serve", "--store", str(tmp_path_factory.mktemp("none")), "--model", "digits", "--root-path", "digits"
    )
    assert done.returncode == 2
    assert "--root-path: 'digits': must be a path such as /digits" in done.stderr


def test_the_servers_own_paths_are_no_prefix(images: Server) -> None:
    """A proxy may send on /v2 alone, as it stands."""
    paths = images.client.get("/openapi.json").json()["paths"]
    begin = {path.split("/")[1] for path in paths} | {"docs", "redoc", "openapi.json", "static-offline-docs"}
    assert begin == set(prefix.OWN)
    assert {prefix.parse(f"/{own}") for own in prefix.OWN} == {""}
    assert prefix.parse("/v2x") == "/v2x" and prefix.parse("/") == prefix.parse("") == ""
