"""The page is for everybody: read aloud, on a phone, without a mouse, without another address."""

from __future__ import annotations

import re
from typing import Any

import pytest
from atelier_server.web.routes import about
from atelier_store.pages.document import files
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.server.web.page.visitor import Kinds, answer, opened

pytestmark = pytest.mark.process


@pytest.mark.parametrize("kind", ["images", "signals", "rows", "table"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_to_object_to(page: Page, kinds: Kinds, kind: str, scheme: Any) -> None:
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    opened(page, kinds[kind].server)
    answer(page, kinds[kind].use)
    expect(page.locator("#verdict strong")).to_be_visible()
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()


@pytest.mark.parametrize("kind", ["images", "signals", "rows", "table"])
def test_nothing_is_wider_than_a_phone(page: Page, kinds: Kinds, kind: str) -> None:
    page.set_viewport_size({"width": 320, "height": 640})
    opened(page, kinds[kind].server)
    kinds[kind].use(page)
    expect(page.locator("#verdict strong")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    assert page.evaluate(
        "[...document.querySelectorAll('section')].every(one => one.getBoundingClientRect().right <= 320)"
    )


def test_a_row_can_be_predicted_without_a_mouse(page: Page, kinds: Kinds) -> None:
    opened(page, kinds["rows"].server)
    for _ in range(10):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == "feature-0":
            break
    page.keyboard.type("1")
    page.keyboard.press("Tab")
    page.keyboard.type("2")
    page.keyboard.press("Tab")
    page.keyboard.type("3")
    predicted = answer(page, lambda page: page.keyboard.press("Enter"))
    assert predicted["predictions"] == [{"value": 14.0}]
    assert page.locator("#verdict").get_attribute("role") == "status"


def test_the_page_names_no_address_outside_of_this_server() -> None:
    texts = [about.PAGE.joinpath("content.html").read_text(), *files(about.PAGE).values()]
    names = {found for text in texts for found in re.findall(r"https?://[^\s\"'`]+", text)}
    assert names == {"http://www.w3.org/2000/svg"}
