"""The page of a server that asks for a token."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from atelier_store.layout import Store
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.server.web.page.visitor import Kinds, answer, filled_in, opened, text
from tests.support.onnx_bundles import publish, rows_bundle
from tests.support.server_process import Server, serving

pytestmark = pytest.mark.process


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that asks for the token `right`, for tests that only ask."""
    with guarding(Store(tmp_path_factory.mktemp("guarded") / "store")) as server:
        yield server


@contextmanager
def guarding(store: Store) -> Iterator[Server]:
    """A server that asks for the token `right`; the file is beside the store."""
    publish(store, rows_bundle())
    (store.root.parent / "token").write_text("right")
    with serving(store, "digits", "--token-file", str(store.root.parent / "token")) as server:
        yield server


def give(page: Page, token: str) -> None:
    page.get_by_label("Token").fill(token)
    page.get_by_role("button", name="Show the model").click()


def test_a_token_is_asked_for_and_a_wrong_one_is_named_at_its_field(page: Page, guarded: Server) -> None:
    page.goto(guarded.url)
    field = page.get_by_label("Token")
    expect(field).to_be_focused()
    assert Axe().run(page).violations_count == 0
    page.get_by_role("button", name="Show the model").click()
    expect(page.locator("#token-wrong")).to_have_text("Is missing.")
    for wrong in ("wrong", "right…"):  # also one that is not made of bytes
        give(page, wrong)
        expect(page.locator("#token-wrong")).to_have_text("The server does not accept this token.")
        expect(field).to_be_focused()
        assert (field.get_attribute("aria-invalid"), field.get_attribute("aria-describedby")) == ("true", "token-wrong")
    assert Axe().run(page).violations_count == 0
    give(page, " right ")
    expect(page.locator("#served")).to_be_visible()
    expect(page.locator("#locked")).to_be_hidden()
    assert field.input_value() == ""
    expect(page.locator("#links")).to_be_hidden()


def test_whoever_gave_the_token_can_try_the_model_until_the_tab_is_closed(page: Page, guarded: Server) -> None:
    page.goto(guarded.url)
    give(page, "right")
    expect(page.locator("#served")).to_be_visible()
    assert answer(page, filled_in)["predictions"] == [{"value": pytest.approx(1 + 2 * 2.5 + 3 * -3)}]
    page.get_by_text("The same from a terminal").click()
    shown = text(page, "curl")
    assert '-H "Authorization: Bearer $TOKEN" --json' in shown and "right" not in shown
    page.reload()
    expect(page.locator("#served")).to_be_visible()
    stored = page.evaluate("[Object.values(sessionStorage), Object.values(localStorage), document.cookie]")
    assert stored == [["right"], [], ""]
    other = page.context.new_page()
    other.goto(guarded.url)
    expect(other.get_by_label("Token")).to_be_visible()


def test_a_token_that_is_exchanged_is_asked_for_and_what_was_written_stays(page: Page, store: Store) -> None:
    with guarding(store) as server:
        page.goto(server.url)
        give(page, "right")
        page.get_by_label("age").fill("41")
        (store.root.parent / "token").write_text("next")
        expect(page.locator("#token-wrong")).to_have_text("The server does not accept this token.", timeout=15_000)
        expect(page.locator("#served")).to_be_hidden()
        give(page, "next")
        expect(page.locator("#served")).to_be_visible()
        assert page.get_by_label("age").input_value() == "41"


def test_while_nobody_gives_a_token_the_server_is_not_asked_again(page: Page, guarded: Server) -> None:
    refused: list[str] = []
    page.on("response", lambda answer: refused.append(answer.url) if answer.status == 401 else None)
    page.clock.install()
    page.goto(guarded.url)
    expect(page.get_by_label("Token")).to_be_visible()
    page.clock.run_for(60_000)
    assert len(refused) == 1


def test_a_server_without_a_token_asks_for_none(page: Page, kinds: Kinds) -> None:
    opened(page, kinds["rows"].server)
    expect(page.locator("#locked")).to_be_hidden()
    expect(page.locator("#links")).to_be_visible()
