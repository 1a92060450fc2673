"""What the tests of the page share: a page in a browser, and a server of each kind of data."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from tests.server.web.page.visitor import Kinds
from tests.support.browser import faultless


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    with faultless(browser) as page:
        yield page


@pytest.fixture(scope="session")
def kinds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kinds]:
    """For tests that only ask."""
    kinds = Kinds(tmp_path_factory.mktemp("kinds"))
    yield kinds
    for kind in kinds.values():
        kind.server.stop()
