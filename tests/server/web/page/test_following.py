"""The page follows the server: to later versions, past refused ones, and through its failures."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
from atelier_server.promotion.promote import promoter
from atelier_store.layout import Store
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, Route, expect

from tests.server.web.page.visitor import Kinds, filled_in, opened, text
from tests.support.experiments import add_trial, begin, spec
from tests.support.onnx_bundles import Bundle, configured, image_bundle, place, point, publish, rows_bundle
from tests.support.server_process import serving

pytestmark = pytest.mark.process


def test_without_a_model_the_page_says_so_and_shows_the_first_one_by_itself(page: Page, store: Store) -> None:
    with serving(store) as server:
        page.goto(server.url)
        expect(page.locator("#lacking")).to_have_text("No model promoted yet")
        expect(page.locator("#reason")).to_contain_text("current.json")
        assert Axe().run(page).violations_count == 0
        publish(store, image_bundle())
        expect(page.locator("#served")).to_be_visible(timeout=15_000)
        expect(page).to_have_title("digits")


def test_a_new_version_appears_by_itself_and_what_was_written_stays(page: Page, store: Store) -> None:
    publish(store, rows_bundle())
    with serving(store) as server:
        opened(page, server)
        page.get_by_label("age").fill("41")
        version = publish(store, rows_bundle(seed=2))
        expect(page.locator("#state code")).to_have_text(version, timeout=15_000)
        assert page.get_by_label("age").input_value() == "41"


def test_a_refused_version_is_named_while_the_one_before_goes_on(page: Page, store: Store) -> None:
    version = publish(store, image_bundle())
    with serving(store) as server:
        opened(page, server)
        refused, digest = place(store, image_bundle(seed=2), "digits")
        (store.model("digits").versions / refused / "model.onnx").write_bytes(b"torn")
        point(store, "digits", refused, digest)
        expect(page.get_by_role("alert").first).to_contain_text("A later version was refused", timeout=15_000)
        assert version in text(page, "state")


@pytest.mark.parametrize(
    ("second", "said"),
    [
        (
            configured(image_bundle(2, metric=0.8), {"number": 2}, seed=0),
            r"was refused: it is worse\. Validation accuracy 0\.8 beside 0\.9 of the served version, on the same",
        ),
        (
            configured(image_bundle(2, metric=0.99), {"number": 2}, seed=1),
            r"waits for a person: the data, the split or the seed is another, and there is no test set\. "
            r"Validation accuracy 0\.99 beside 0\.9 of the served version, on different rows",
        ),
    ],
    ids=["worse", "not comparable"],
)
def test_a_winner_that_is_not_served_is_named_with_both_scores_until_it_is(
    page: Page, store: Store, second: Bundle, said: str
) -> None:
    promotes = promoter(store.model("digits"))
    for name, bundle in (("a", configured(image_bundle(1), {"number": 1}, seed=0)), ("b", second)):
        of = spec(name)
        add_trial(store, of, bundle, f"trial-{name}")
        done = promotes.best(begin(store, of))
    with serving(store) as server:
        opened(page, server)
        shown = page.locator("#candidate")
        expect(shown).to_contain_text(f"winner, version {done.promotion.version} (trial-b),", timeout=15_000)
        assert re.search(said, shown.inner_text()), shown.inner_text()
        assert not Axe().run(page).response["violations"]
        path = f"/v2/models/digits/versions/{done.promotion.version}/ready"
        assert server.client.get(path).status_code == 200, "it answers under its version"
        promotes.version(done.promotion.version)
        expect(shown).to_be_hidden(timeout=15_000)


def test_the_first_winner_that_waits_is_named_where_nothing_is_served(page: Page, store: Store) -> None:
    of = spec()
    add_trial(store, of, image_bundle(), "trial-1")
    done = promoter(store.model("digits")).best(begin(store, of), "candidate")
    with serving(store) as server:
        page.goto(server.url)
        expect(page.locator("#reason")).to_contain_text(f"Version {done.promotion.version} waits for a person")
        promoter(store.model("digits")).version(done.promotion.version)
        expect(page.locator("#served")).to_be_visible(timeout=15_000)


def test_what_is_shown_stays_while_the_server_restarts(page: Page, store: Store) -> None:
    publish(store, rows_bundle())
    with serving(store) as before:
        opened(page, before)
        page.get_by_label("age").fill("41")
    expect(page.locator("#notice")).to_contain_text("The server does not answer", timeout=15_000)
    expect(page.locator("#served")).to_be_visible()
    with serving(store, "digits", "--port", str(before.port)):
        expect(page.locator("#notice")).to_be_hidden(timeout=15_000)
        assert page.get_by_label("age").input_value() == "41"


HTML: dict[str, Any] = {"status": 502, "content_type": "text/html", "body": "<h1>Bad gateway</h1>"}

FAULTS: list[tuple[str, Callable[[Route], None]]] = [
    ("The server does not answer. It may be restarting", lambda route: route.abort("connectionreset")),
    ("What came is not an answer of the server", lambda route: route.fulfill(**HTML)),
    ("Another answers than the server: status 503.", lambda route: route.fulfill(status=503, body="null")),
    ("What came is not an answer of the server", lambda route: route.fulfill(body='{"version": "th')),
    ("The server has not answered for 60 seconds.", lambda route: None),
    ("This page cannot show what it was told", lambda route: route.fulfill(body="null")),
]

MIXED = "not of the same version", lambda route: route.fulfill(json={"version": "another"})


def test_the_page_comes_whole_although_whatever_it_asks_for_fails_first(browser: Browser, kinds: Kinds) -> None:
    page, asked = browser.new_page(), list[str]()
    faults = {"/model": FAULTS, "/model/report": [*FAULTS, MIXED]}
    waiting = {path: iter(these) for path, these in faults.items()}

    def answer(route: Route) -> None:
        asked.append(urlsplit(route.request.url).path)
        _, fault = next(waiting.get(asked[-1], iter(())), (None, Route.continue_))
        fault(route)

    page.clock.install()
    page.route("**/*", answer)
    for path, words in ((path, words) for path, these in faults.items() for words, _ in these):
        with page.expect_request(f"**{path}"):
            page.clock.run_for(2000) if asked else page.goto(kinds["rows"].server.url)
        if "60 seconds" in words:
            page.clock.run_for(60_000)
        expect(page.locator("#notice")).to_contain_text(words)
        expect(page.locator("#state")).to_have_text("Looking for the model…")
    page.clock.run_for(2000)
    expect(page.locator("#served")).to_be_visible()
    expect(page.locator("#notice")).to_be_hidden()
    assert set(asked) == {"/", "/model", "/model/report"}, "nothing else is loaded"
    page.unroute_all()
    page.close()


def test_a_prediction_that_nobody_answers_is_said_and_asked_for_again_by_a_button(page: Page, kinds: Kinds) -> None:
    opened(page, kinds["rows"].server)
    page.route("**/predict", lambda route: route.fulfill(**HTML), times=1)
    filled_in(page)
    expect(page.locator("#problems")).to_contain_text("What came is not an answer of the server")
    page.get_by_role("button", name="Ask again").click()
    expect(page.locator("#verdict strong")).to_be_visible()
    expect(page.locator("#problems")).to_be_empty()
