"""The board in a real browser, over HTTP from a process of its own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from atelier_board import files
from atelier_store.layout import Store
from atelier_store.ranking import rank
from atelier_store.records import TrialRecord
from atelier_store.spec import Spec
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from benchmarks.made_up_store import make
from tests.board.conftest import EMPTY, ONE, THIRTY
from tests.support.board import Board, board
from tests.support.browser import faultless, launched

pytestmark = pytest.mark.process

MANY = "many-4789a5b1"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launched() as browser:
        yield browser


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    with faultless(browser, may_miss=True, reduced_motion="reduce") as page:
        yield page


@pytest.fixture(scope="module")
def shown(made: Path) -> Iterator[Board]:
    """A board of the made-up store, and in it a search of 2,100 trials, which are painted on a canvas."""
    make(Store(made), 2100, name="many")
    with board(made) as one:
        yield one


def opened(page: Page, shown: Board, view: str = "") -> Page:
    page.goto("about:blank")
    page.goto(f"{shown.url}/{view}")
    expect(page.locator("#state")).not_to_have_text("Reading the store…", timeout=60_000)
    return page


def best_of(shown: Board, search: str) -> str:
    (found,) = [one for one in shown.client.get("/api/searches").json() if one["name"] == search]
    return str(found["best_trial"])


def labels(page: Page) -> list[str]:
    return [chart.get_attribute("aria-label") or "" for chart in page.locator("svg.chart").all()]


def first_column(page: Page) -> list[str]:
    return page.locator("section[aria-labelledby=trials-title] tbody th").all_inner_texts()


def test_from_all_searches_to_one_to_a_trial_and_back(page: Page, shown: Board) -> None:
    opened(page, shown)
    expect(page.get_by_role("row")).to_have_count(5)
    page.get_by_role("link", name=THIRTY).click()
    expect(page).to_have_title(THIRTY)
    expect(page.locator("svg.chart")).to_have_count(3)
    best = best_of(shown, THIRTY)
    assert any(
        re.search(rf"of the best trial so far, over trials that ended: .* by {best}$", label) for label in labels(page)
    )
    page.locator(".tiles").get_by_role("link", name=best).click()
    expect(page.get_by_role("heading", name=best)).to_be_focused()
    expect(page.locator("#view")).to_contain_text("How it ended")
    page.get_by_role("link", name=THIRTY).click()
    page.get_by_role("link", name="All searches").click()
    expect(page).to_have_title("Searches")


def test_a_link_brings_back_what_was_chosen(page: Page, shown: Board) -> None:
    opened(page, shown, f"#/s/{THIRTY}")
    page.locator("select#x").select_option(label="lr")
    page.locator("select#over").select_option(label="hours of training")
    page.get_by_label("Find trials").fill("lr<0.004")
    page.get_by_role("button", name="Parameters").click()
    page.get_by_role("button", name="Parameters").click()
    before = labels(page), first_column(page)
    assert len(before[1]) > 1
    opened(page, shown, page.url.split("/", 3)[3])
    expect(page.get_by_label("Find trials")).to_have_value("lr<0.004")
    assert (labels(page), first_column(page)) == before
    assert page.get_by_role("columnheader", name="Parameters").get_attribute("aria-sort") == "descending"


def test_trials_are_found_by_words_and_bounds_and_sorted_by_any_column(page: Page, shown: Board) -> None:
    search = shown.client.get(f"/api/searches/{THIRTY}").json()["trials_by_column"]
    small = {
        trial for trial, params in zip(search["trial"], search["params"], strict=True) if params and params < 30000
    }
    res3 = {trial for trial, op in zip(search["trial"], search["parameters"]["stage1_op"], strict=True) if op == "res3"}
    opened(page, shown, f"#/s/{THIRTY}")
    page.get_by_label("Find trials").fill("params<30000")
    assert set(first_column(page)) == small
    page.get_by_label("Find trials").fill("params<30000 stage1_op=res3")
    assert set(first_column(page)) == small & res3
    page.get_by_label("Find trials").fill("")
    page.get_by_role("button", name="Trial", exact=True).click()
    assert first_column(page) == sorted(search["trial"])
    page.get_by_role("button", name="Trial", exact=True).press("Enter")
    assert first_column(page) == sorted(search["trial"], reverse=True)
    page.get_by_label("Find trials").fill("nothing-has-this")
    expect(page.locator(".pager")).to_contain_text("0 trials, found among 30")


def test_thousands_of_trials_are_painted_and_turned_page_by_page(page: Page, shown: Board) -> None:
    opened(page, shown, f"#/s/{MANY}")
    expect(page.locator("canvas.marks")).to_have_count(1)
    assert page.locator("canvas.marks").evaluate(
        "canvas => canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.some(value => value)"
    )
    assert len(first_column(page)) == 50
    page.get_by_role("button", name="Next").click()
    expect(page.locator(".pager")).to_contain_text("51 to 100 of 2,100 trials")
    page.get_by_role("button", name="Previous").click()
    ring = page.locator("svg.opens:has(circle.best) circle.best").last
    ring.scroll_into_view_if_needed()
    ring.click()
    expect(page.get_by_role("heading", name=best_of(shown, MANY))).to_be_visible()


def test_the_table_is_downloaded_as_csv(page: Page, shown: Board) -> None:
    opened(page, shown, f"#/s/{THIRTY}")
    with page.expect_download() as downloading:
        page.get_by_role("link", name="Download as CSV").click()
    assert downloading.value.suggested_filename == f"{THIRTY}.csv"
    assert len(Path(downloading.value.path()).read_text().splitlines()) == 31


def test_a_trial_says_how_it_ended_and_shows_any_metric(page: Page, shown: Board) -> None:
    opened(page, shown, f"#/s/{THIRTY}/t/{best_of(shown, THIRTY)}")
    assert page.locator("dt:text-is('Rank') + dd").inner_text() == "1"
    page.get_by_label("Show").select_option("Training loss")
    assert labels(page)[0].startswith("Training loss over ")
    page.get_by_text("As a table").click()
    epochs = int(page.locator("dt:text-is('Epochs') + dd").inner_text())
    expect(page.get_by_label("Metrics by epoch").locator("tbody tr")).to_have_count(epochs)
    assert "measure=train_loss" in page.url


# while a search runs


def test_what_changes_appears_by_itself_and_what_was_chosen_stays(page: Page, store: Store) -> None:
    with board(store.root) as shown:
        opened(page, shown, f"#/s/{THIRTY}")
        page.get_by_label("Find trials").fill("trial-00")
        record = TrialRecord(trial="trial-0030", number=30, params={"lr": "9"}, key=None, error="lr: 9 is too much")
        record.write(store.experiment(THIRTY).trial("trial-0030"))
        expect(page.locator("#state")).to_contain_text("31 trials", timeout=30_000)
        expect(page.get_by_label("Find trials")).to_be_focused()
        expect(page.get_by_label("Find trials")).to_have_value("trial-00")
        expect(page.locator("#view")).to_contain_text("lr: 9 is too much")
        best = rank(store, Spec.read(store.experiment(THIRTY).spec)).entries[0]
        assert best.key is not None
        card = store.trial(best.key).card
        card.write_bytes(card.read_bytes()[:100])
        expect(page.locator("#state")).to_contain_text("1 damaged", timeout=30_000)
        opened(page, shown, f"#/s/{THIRTY}/t/{best.trial}")
        expect(page.locator("#problems")).to_contain_text("card.json: not a whole Card")
        assert Axe().run(page).violations_count == 0
        assert shown.stop() == 0
        expect(page.locator("#notice")).to_contain_text("The board does not answer", timeout=30_000)


def test_while_nobody_looks_nothing_is_asked(page: Page, shown: Board) -> None:
    page.add_init_script(
        "Object.defineProperty(document, 'hidden', { get: () => window.away === true });"
        "window.look = away => { window.away = away; document.dispatchEvent(new Event('visibilitychange')); };"
    )
    page.clock.install()
    opened(page, shown, f"#/s/{ONE}")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.evaluate("() => window.look(true)")
    page.clock.run_for(60_000)
    assert asked == []
    with page.expect_response("**/api/searches/*") as answered:
        page.evaluate("() => window.look(false)")
    assert answered.value.status == 304


# for everybody

VIEWS = [
    "",
    f"#/s/{THIRTY}",
    f"#/s/{EMPTY}",
    f"#/s/{ONE}",
    f"#/s/{MANY}?x=:stage1_op",
    f"#/s/{THIRTY}/t/trial-0003",
    "#/s/none",
]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_to_object_to(page: Page, shown: Board, scheme: Any) -> None:
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    for view in VIEWS[:-1]:
        found = Axe().run(opened(page, shown, view))
        assert found.violations_count == 0, f"{view}\n{found.generate_report()}"


def test_nothing_is_wider_than_a_phone(page: Page, shown: Board) -> None:
    page.set_viewport_size({"width": 320, "height": 640})
    for view in VIEWS[:-1]:
        opened(page, shown, view)
        assert page.evaluate("() => document.documentElement.scrollWidth") <= 320, view


def test_a_search_that_is_not_there_is_named(page: Page, shown: Board) -> None:
    page.goto(f"{shown.url}/#/s/none")
    expect(page.get_by_role("alert")).to_have_text("the store has no search 'none'")


def test_a_trial_can_be_opened_without_a_mouse(page: Page, shown: Board) -> None:
    opened(page, shown, f"#/s/{ONE}")
    page.get_by_label("Find trials").focus()
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("() => document.activeElement.textContent") == "trial-0000":
            break
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="trial-0000")).to_be_focused()


def test_the_page_names_no_address_outside_of_the_board() -> None:
    names = {found for file in files.load().values() for found in re.findall(rb"https?://[^\s\"'`]+", file)}
    assert names == {b"http://www.w3.org/2000/svg"}
