"""A search as one file: small, whole, asking for nothing, and read with and without a script."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from atelier_board import report
from atelier_store.layout import Store
from atelier_store.ranking import rank
from atelier_store.spec import Spec
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.board.conftest import EMPTY, ONE, THIRTY
from tests.support.board import board
from tests.support.browser import faultless


@pytest.fixture(scope="module")
def html(made: Path) -> str:
    return report.of_search(Store(made), THIRTY)


def best_trial(store: Store) -> str:
    return rank(store, Spec.read(store.experiment(THIRTY).spec)).entries[0].trial


def answers(html: str) -> dict[str, Any]:
    """What the file holds for its script."""
    (packed,) = re.findall(r'<script id="answers" type="application/gzip">(.*?)</script>', html)
    held: dict[str, Any] = json.loads(gzip.decompress(base64.b64decode(packed)))
    return held


def test_the_report_of_thirty_trials_is_small(html: str) -> None:
    assert len(html.encode()) <= 200_000


def test_the_policy_lets_nothing_in_but_what_the_file_holds(html: str) -> None:
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', html)
    for tag in ("script", "style"):
        (content,) = re.findall(rf"<{tag}>(.*?)</{tag}>", html, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'; ")
    assert set(re.findall(r"https?://[^\s\"'`<]+", html)) == {"http://www.w3.org/2000/svg"}


def test_logs_stay_in_the_store(made: Path, html: str) -> None:
    trials = [held for address, held in answers(html)["answers"].items() if "/trials/" in address]
    assert len(trials) == 27
    assert all(trial["log"] == "" == trial["messages"] for trial in trials)


@pytest.mark.parametrize("search", [EMPTY, ONE])
def test_a_search_of_none_or_one_has_a_report(made: Path, search: str) -> None:
    held = answers(report.of_search(Store(made), search))
    assert held["home"] == f"#/s/{search}" and f"api/searches/{search}" in held["answers"]


def test_a_search_that_cannot_be_read_has_a_report_that_says_so(store: Store) -> None:
    store.experiment(THIRTY).spec.write_text("{")
    assert "spec.json: " in report.of_search(store, THIRTY)


def test_a_comparison_is_a_file_that_holds_what_differs(made: Path) -> None:
    told = answers(html := report.of_comparison(Store(made), THIRTY, ONE))
    (address,) = told["answers"]
    assert told["home"] == "#/" + address.removeprefix("api/")
    assert {"name": "experiment.name", "a": "thirty", "b": "one"}.items() <= told["answers"][address]["differences"][
        0
    ].items()
    assert "experiment.maxTrialCount" in html


# in a browser, from a disk


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    with faultless(browser, hosts={None}, offline=True, reduced_motion="reduce") as page:
        yield page


@pytest.mark.process
def test_a_report_opens_from_a_disk_at_any_of_its_views(page: Page, made: Path, html: str, tmp_path: Path) -> None:
    file, best = tmp_path / "report.html", best_trial(Store(made))
    file.write_text(html)
    page.goto(f"{file.as_uri()}#/s/{THIRTY}?find=lr%3C0.004&x=lr")
    expect(page.get_by_label("Find trials")).to_have_value("lr<0.004")
    for scheme in ("dark", "light"):
        page.emulate_media(color_scheme=scheme)
        assert Axe().run(page).violations_count == 0
    with page.expect_download() as downloading:
        page.get_by_role("button", name="Download these").click()
    lines = Path(downloading.value.path()).read_text().splitlines()
    assert 1 < len(lines) < 31 and lines[0].startswith("trial,rank,value,")
    page.locator(".tiles").get_by_role("link", name=best).click()
    expect(page.get_by_role("heading", name=best)).to_be_focused()
    expect(page.locator("dt:text-is('Rank') + dd")).to_have_text("1")
    page.get_by_role("link", name=THIRTY).click()
    expect(page.locator("#state")).to_contain_text("30 trials")
    assert page.get_by_role("link", name="All searches").count() == 0


@pytest.mark.process
def test_the_board_links_to_the_report_that_the_end_of_a_search_has_left(browser: Browser, store: Store) -> None:
    with board(store.root) as shown, faultless(browser, may_miss=True, reduced_motion="reduce") as page:
        assert shown.client.get(f"/api/searches/{THIRTY}/report.html").status_code == 404
        page.goto(f"{shown.url}/#/s/{THIRTY}")
        expect(page.locator("#state")).to_contain_text("30 trials")
        link = page.get_by_role("link", name="Its report as one file")
        expect(link).to_have_count(0)
        report.leave(store.experiment(THIRTY))
        expect(link).to_be_visible(timeout=30_000)
        link.click()
        page.get_by_label("Find trials").fill("lr<0.004")
        expect(page).to_have_url(re.compile(r"report\.html#/s/.*find=lr%3C0\.004"))
        assert page.evaluate("() => window.origin") == "null"  # what is in a store may be anybody's
        expect(page.get_by_role("link", name="Its report as one file")).to_have_count(0)


@pytest.mark.process
def test_a_report_is_read_without_a_script(browser: Browser, made: Path, html: str, tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text(html)
    with faultless(browser, hosts={None}, java_script_enabled=False) as page:
        page.goto((tmp_path / "report.html").as_uri())
        expect(page.get_by_role("row")).to_have_count(31)
        expect(page.get_by_role("rowheader").first).to_have_text(best_trial(Store(made)))
        expect(page.get_by_role("img", name="val_accuracy of ")).to_be_visible()


@pytest.mark.process
def test_two_trials_are_drawn_beside_each_other_with_what_differs(page: Page, made: Path, tmp_path: Path) -> None:
    first, second = (
        entry.trial for entry in rank(Store(made), Spec.read(Store(made).experiment(THIRTY).spec)).entries[:2]
    )
    (tmp_path / "two.html").write_text(report.of_comparison(Store(made), f"{THIRTY}/{first}", f"{THIRTY}/{second}"))
    page.goto((tmp_path / "two.html").as_uri())
    expect(page.get_by_role("heading", name=f"{THIRTY}/{first} and {THIRTY}/{second}")).to_be_visible()
    expect(page.locator("ol.network")).to_have_count(2)
    assert page.locator("ol.network .differs").count() >= 2
    page.get_by_label("Show").select_option("Training loss")
    expect(page.get_by_role("img", name="Training loss by epoch of both")).to_be_visible()
    assert Axe().run(page).violations_count == 0
