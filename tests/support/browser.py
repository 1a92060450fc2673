"""The browser that opens the pages, and a page of which nothing may go wrong."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Page, sync_playwright

from tools.machine import chromium

CHROMIUM = chromium()
"""None: Playwright's own, which `make test` downloads where the machine has no browser."""


@contextmanager
def launched() -> Iterator[Browser]:
    """A browser without a window."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM)
        yield browser
        browser.close()


@contextmanager
def faultless(
    browser: Browser, may_miss: bool = False, hosts: Iterable[str | None] = ("127.0.0.1",), **context: Any
) -> Iterator[Page]:
    """A page of which nothing may go wrong and which loads nothing from elsewhere, whatever a test does with it.

    may_miss: it may ask for what is not there. hosts: whom it asks; None is a disk.
    """
    opened = browser.new_context(viewport={"width": 1200, "height": 900}, **context)
    page, wrong, asked = opened.new_page(), [], set()
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on(
        "console",
        lambda said: (
            wrong.append(said.text) if said.type == "error" and "Failed to load resource" not in said.text else None
        ),
    )
    page.on("request", lambda request: asked.add(urlsplit(request.url).hostname))
    if not may_miss:
        page.on("response", lambda answer: wrong.append(answer.url) if answer.status == 404 else None)
    yield page
    opened.close()
    assert wrong == [], wrong
    assert asked == {*hosts}
