"""The board in a real browser, over HTTP from a process of its own."""

from __future__ import annotations

import math
import random
import re
import shutil
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import optuna
import pytest
from atelier_board.document import FILES
from atelier_store.layout import Store
from atelier_store.pages import joined
from atelier_store.pages.document import files
from atelier_store.ranking import rank
from atelier_store.records import TrialRecord
from atelier_store.spec import Spec
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, Route, expect

from benchmarks.made_up_store import make
from tests.board.conftest import EMPTY, ONE, THIRTY
from tests.board.promotions import promoted
from tests.support.board import Board, board, column
from tests.support.browser import faultless

pytestmark = pytest.mark.process

MANY = "many-4789a5b1"
EVERY = 5000
"""Milliseconds after which the page asks again."""


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    with faultless(browser, may_miss=True, reduced_motion="reduce") as page:
        yield page


@pytest.fixture(scope="module")
def shown(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Board]:
    """A board of the made-up store, and in it a search of 2,100 trials, which are painted on a canvas.

    The two best of the thirty are promoted, the best first.
    """
    store = Store(shutil.copytree(made, tmp_path_factory.mktemp("shown") / "store"))
    make(store, 2100, name="many")
    best = promoted(store, THIRTY)
    assert best.leaderboard
    (second,) = [entry.trial for entry in best.leaderboard.entries if entry.rank == 2]
    promoted(store, THIRTY, trial=second)
    with board(store.root) as one:
        yield one


def opened(page: Page, shown: Board, view: str = "") -> Page:
    page.goto("about:blank")
    page.goto(f"{shown.url}/{view}")
    expect(page.locator("#state")).not_to_have_text("Reading the store…", timeout=180_000)
    return page


def best_of(shown: Board, search: str) -> str:
    (found,) = [one for one in shown.client.get("/api/searches").json() if one["name"] == search]
    return str(found["best_trial"])


def labels(page: Page) -> list[str]:
    """What each chart shows, those beyond the screen as well."""
    page.evaluate("() => dispatchEvent(new Event('beforeprint'))")
    return [chart.get_attribute("aria-label") or "" for chart in page.locator("svg.chart").all()]


def first_column(page: Page) -> list[str]:
    return page.locator("section[aria-labelledby=trials-title] tbody th").all_inner_texts()


def test_from_all_searches_to_one_to_a_trial_and_back(page: Page, shown: Board) -> None:
    opened(page, shown)
    expect(page.get_by_role("row")).to_have_count(5)
    page.get_by_role("link", name=THIRTY).click()
    expect(page).to_have_title(THIRTY)
    expect(page.locator("#progress-title ~ .holder svg")).to_be_visible()
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
    page.get_by_role("button", name="Parameters", exact=True).click()
    page.get_by_role("button", name="Parameters", exact=True).click()
    before = labels(page), first_column(page)
    assert len(before[1]) > 1
    opened(page, shown, page.url.split("/", 3)[3])
    expect(page.get_by_label("Find trials")).to_have_value("lr<0.004")
    assert (labels(page), first_column(page)) == before
    assert page.get_by_role("columnheader", name="Parameters").get_attribute("aria-sort") == "descending"


def test_trials_are_found_by_words_and_bounds_and_sorted_by_any_column(page: Page, shown: Board) -> None:
    search = shown.client.get(f"/api/searches/{THIRTY}").json()["trials_by_column"]
    trials, ops = column(search["trial"]), column(search["parameters"]["stage1_op"])
    small = {trial for trial, params in zip(trials, column(search["params"]), strict=True) if params and params < 30000}
    res3 = {trial for trial, op in zip(trials, ops, strict=True) if op == "res3"}
    opened(page, shown, f"#/s/{THIRTY}")
    page.get_by_label("Find trials").fill("params<30000")
    assert set(first_column(page)) == small
    page.get_by_label("Find trials").fill("params<30000 stage1_op=res3")
    assert set(first_column(page)) == small & res3
    page.get_by_label("Find trials").fill("")
    page.get_by_role("button", name="Trial", exact=True).click()
    assert first_column(page) == sorted(trials)
    page.get_by_role("button", name="Trial", exact=True).press("Enter")
    assert first_column(page) == sorted(trials, reverse=True)
    page.get_by_label("Find trials").fill("nothing-has-this")
    expect(page.locator(".find")).to_contain_text("0 trials, found among 30")


def test_a_drag_along_an_axis_shows_only_trials_within_it_in_every_view(page: Page, shown: Board) -> None:
    opened(page, shown, f"#/s/{THIRTY}?view=parallel")
    grip = page.locator(".parallel .grip").nth(12)  # lr
    grip.scroll_into_view_if_needed()
    box = grip.bounding_box()
    assert box
    page.mouse.move(box["x"] + 16, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + 16, box["y"] + 1)
    page.mouse.up()
    found = page.get_by_label("Find trials").input_value()
    assert re.fullmatch(r"lr>=0\.00\d+", found)
    least, rows = float(found[4:]), page.locator("section[aria-labelledby=trials-title] tbody tr")
    head = page.locator("section[aria-labelledby=trials-title] thead th").all_inner_texts()
    values = [float(row.locator("th, td").nth(head.index("lr")).inner_text()) for row in rows.all()]
    assert 0 < len(values) < 30 and min(values) >= least * 0.99
    assert any(f" of {len(values)} trials" in label or f"{len(values)} of 30 trials" in label for label in labels(page))
    page.locator(".parallel .grip").nth(12).click()
    expect(page.get_by_label("Find trials")).to_have_value("")


def test_importance_is_that_of_optuna(page: Page, shown: Board) -> None:
    chance = random.Random(3)
    study = optuna.create_study(direction="maximize")
    kinds = {
        "lr": optuna.distributions.FloatDistribution(1e-4, 1e-1, log=True),
        "dropout": optuna.distributions.FloatDistribution(0, 0.5),
        "depth": optuna.distributions.IntDistribution(1, 9, step=2),
        "op": optuna.distributions.CategoricalDistribution(["conv3", "sep3", "res3"]),
    }
    rows = []
    for _ in range(200):
        lr, depth = 10 ** chance.uniform(-4, -1), chance.choice([1, 3, 5, 7, 9])
        params = {
            "lr": lr,
            "dropout": chance.uniform(0, 0.5),
            "depth": depth,
            "op": chance.choice(["conv3", "sep3", "res3"]),
        }
        value = -((math.log10(lr) + 2) ** 2) + 0.1 * depth + 0.3 * (params["op"] == "res3") + chance.gauss(0, 0.1)
        study.add_trial(optuna.trial.create_trial(params=params, distributions=kinds, value=value))
        rows.append((params, value))
    expected = optuna.importance.get_param_importances(study, evaluator=optuna.importance.PedAnovaImportanceEvaluator())
    spaces = [
        ("lr", "double", {"min": "0.0001", "max": "0.1", "distribution": "logUniform"}),
        ("dropout", "double", {"min": "0", "max": "0.5"}),
        ("depth", "int", {"min": "1", "max": "9", "step": "2"}),
        ("op", "categorical", {"list": ["conv3", "sep3", "res3"]}),
    ]
    told = {
        "objective": {"name": "val_accuracy", "type": "maximize"},
        "spec": {
            "parameters": [{"name": n, "parameter_type": kind, "feasible_space": space} for n, kind, space in spaces]
        },
        "trials": {"parameters": {name: [params[name] for params, _ in rows] for name in kinds}},
    }
    opened(page, shown)
    found = page.evaluate(
        f"""([told, values]) => {{
            {joined.script(files(FILES), "importance")}
            return importance_.importance({{ ...told, curve: row => [values[row]] }}, values.map((_, row) => row), 1);
        }}""",
        [told, [value for _, value in rows]],
    )
    assert (found["all"], found["top"]) == (200, 20)
    assert {one["name"]: one["share"] for one in found["parameters"]} == pytest.approx(expected, abs=1e-4)


def test_rank_correlation_is_that_of_scipy(page: Page, shown: Board) -> None:
    opened(page, shown)
    a, b = [3, 1, 4, 1, 5, 9, 2, 6], [2, 7, 1, 8, 2, 8, 1, 8]
    script = joined.script(files(FILES), "halving")
    found = page.evaluate(f"([a, b]) => {{ {script} return halving_.spearman(a, b); }}", [a, b])
    assert found == pytest.approx(0.19885368120992467)  # scipy.stats.spearmanr


def test_two_searches_are_named_and_compared(page: Page, shown: Board) -> None:
    opened(page, shown)
    page.get_by_role("link", name="Compare").click()
    page.get_by_label("First").fill(THIRTY)
    page.get_by_label("Second").fill(ONE)
    page.get_by_role("button", name="Compare").click()
    expect(page.get_by_role("heading", name=f"{THIRTY} and {ONE}")).to_be_focused()
    expect(
        page.get_by_label("What differs").get_by_role("row", name="experiment.maxTrialCount lowered 30 1")
    ).to_be_visible()
    expect(page.locator("svg.chart")).to_have_attribute(
        "aria-label", re.compile("best Validation accuracy so far of both")
    )


def test_thousands_of_trials_are_painted_and_turned_page_by_page(page: Page, shown: Board) -> None:
    opened(page, shown, f"#/s/{MANY}")
    assert page.locator("canvas.marks").first.evaluate(
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
        page.get_by_role("link", name="Download all as CSV").click()
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


def second_of(shown: Board) -> str:
    """The trial that is promoted beside the best, and served."""
    (model,) = shown.client.get("/api/models").json()
    return str(next(one["trial"] for one in model["versions"] if one["version"] == model["served"]))


def test_where_a_promoted_trial_errs_is_shown_and_of_two_what_both_confuse(page: Page, shown: Board) -> None:
    best, second = best_of(shown, THIRTY), second_of(shown)
    opened(page, shown, f"#/s/{THIRTY}/t/{best}")
    errs = page.locator("section[aria-labelledby=errs-title]")
    expect(errs).to_contain_text("Promoted as digits, version")
    matrix = "Confusion matrix of 10 classes: 45 of 90 rows are right"
    expect(errs.get_by_role("img", name=matrix)).to_be_visible()
    errs.locator("#part").select_option("the validation rows")
    expect(errs.get_by_label("Scores of each class").get_by_role("row")).to_have_count(11)
    opened(page, shown, f"#/compare?a={THIRTY}/{best}&b={THIRTY}/{second}")
    expect(page.get_by_role("img", name=matrix)).to_have_count(2)
    opened(page, shown, f"#/s/{THIRTY}/t/trial-0003")
    expect(page.locator("section[aria-labelledby=errs-title]")).to_be_hidden()


def test_the_audit_tells_of_promotions_and_checks_when_it_is_asked_to(page: Page, shown: Board) -> None:
    second = second_of(shown)
    opened(page, shown, f"#/audit?of={THIRTY}")
    moves = page.get_by_label("Every change of what is served")
    expect(moves.get_by_role("row")).to_have_count(3)
    expect(moves.get_by_role("row").nth(1)).to_contain_text(f"A person: trial {second} was chosen")
    expect(moves.get_by_role("row").nth(2)).to_contain_text("The rule, promotion.policy always")
    rule = page.locator(f"section[aria-labelledby=moves-title] dt:has-text('{THIRTY}') + dd")
    expect(rule).to_contain_text("highest val_accuracy of the last epoch's weights")
    expect(page.get_by_label("Readings of the test rows").get_by_role("row")).to_have_count(3)
    expect(page.locator("#view")).to_contain_text("Not checked since this board was started.")
    page.get_by_role("button", name="Check every digest now").click()
    expect(page.locator("#view")).to_contain_text("1 file does not match", timeout=120_000)  # there are no arrays
    expect(page.get_by_label("What does not match")).to_contain_text("arrays cannot be read")
    assert Axe().run(page).violations_count == 0
    page.locator("#of").select_option(ONE)
    expect(page.locator("section[aria-labelledby=moves-title]")).to_contain_text("Nothing was promoted.")
    assert f"of={ONE}" in page.url


# while a search runs


def test_what_changes_appears_by_itself_and_what_was_chosen_stays(page: Page, store: Store) -> None:
    store.experiment(ONE).spec.write_text("{")
    page.clock.install()
    with board(store.root) as shown:
        opened(page, shown, f"#/s/{THIRTY}")
        page.get_by_label("Find trials").fill("trial-00")
        record = TrialRecord(trial="trial-0030", number=30, params={"lr": "9"}, key=None, error="lr: 9 is too much")
        record.write(store.experiment(THIRTY).trial("trial-0030"))
        page.clock.run_for(EVERY)
        expect(page.locator("#state")).to_contain_text("31 trials", timeout=30_000)
        expect(page.get_by_label("Find trials")).to_be_focused()
        expect(page.get_by_label("Find trials")).to_have_value("trial-00")
        expect(page.locator("#view")).to_contain_text("lr: 9 is too much")
        best = rank(store, Spec.read(store.experiment(THIRTY).spec)).entries[0]
        assert best.key is not None
        card = store.trial(best.key).card
        card.write_bytes(card.read_bytes()[:100])
        page.clock.run_for(EVERY)
        expect(page.locator("#state")).to_contain_text("1 damaged", timeout=30_000)
        opened(page, shown, f"#/s/{THIRTY}/t/{best.trial}")
        expect(page.locator("#problems")).to_contain_text("card.json: not a whole Card")
        assert Axe().run(page).violations_count == 0
        opened(page, shown, f"#/s/{ONE}")
        expect(page.get_by_role("alert")).to_have_text(
            re.compile(r"spec\.json: not a whole Spec: file: Invalid JSON: ")
        )
        assert page.locator("select:visible, section:visible").count() == 1  # the table of its trials
        assert Axe().run(page).violations_count == 0
        assert shown.stop() == 0
        page.clock.run_for(EVERY)
        expect(page.locator("#notice")).to_contain_text("The board does not answer", timeout=30_000)


def test_a_question_that_is_not_answered_is_said_and_asked_again(browser: Browser, shown: Board) -> None:
    page, asked, held = browser.new_page(), list[str | None](), list[Route]()
    faults: list[tuple[str, Callable[[Route], None]]] = [
        ("The board does not answer. It may have been ended.", lambda route: route.abort("connectionreset")),
        (
            "What came is not an answer of the board",
            lambda route: route.fulfill(status=502, body="<h1>Bad gateway</h1>"),
        ),
        ("What came is not an answer of the board", lambda route: route.fulfill(body='[{"name": "th')),
        ("Another answers than the board: status 503.", lambda route: route.fulfill(status=503, json={"error": "no"})),
        ("The board has not answered for 60 seconds, ", held.append),
        ("This page cannot show what it was told", lambda route: route.fulfill(body="null", headers={"ETag": '"7"'})),
    ]
    waiting = iter(faults)

    def answer(route: Route) -> None:
        asked.append(route.request.headers.get("if-none-match"))
        _, fault = next(waiting, (None, Route.continue_))
        fault(route)

    page.clock.install()
    page.route("**/api/searches", answer)
    page.goto(shown.url)
    for words, _ in faults:
        if "60 seconds" in words:
            page.clock.run_for(60_000)
        expect(page.get_by_role("alert")).to_contain_text(words)
        expect(page.locator("#state")).to_have_text("Reading the store…")
        page.clock.run_for(EVERY)
    expect(page.locator("#state")).to_contain_text("searches in the store")
    expect(page.locator("#notice")).to_be_hidden()
    assert asked == [None] * 7  # the tag of what could not be shown was not kept
    held[0].abort()
    page.close()


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
    f"#/s/{THIRTY}/t/BEST",
    "#/models",
    "#/audit",
    "#/compare",
    f"#/compare?a={THIRTY}&b={ONE}",
    f"#/compare?a={THIRTY}/BEST&b={THIRTY}/SECOND",
    "#/s/none",
]


def views(shown: Board) -> list[str]:
    """All of them but the last, which is not there; BEST and SECOND are promoted trials."""
    best, second = best_of(shown, THIRTY), second_of(shown)
    return [view.replace("BEST", best).replace("SECOND", second) for view in VIEWS[:-1]]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_to_object_to(page: Page, shown: Board, scheme: Any) -> None:
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    for view in views(shown):
        found = Axe().run(opened(page, shown, view))
        assert found.violations_count == 0, f"{view}\n{found.generate_report()}"


def test_names_beside_each_other_on_an_axis_do_not_touch(page: Page, shown: Board) -> None:
    page.set_viewport_size({"width": 1400, "height": 900})
    opened(page, shown, f"#/s/{THIRTY}")
    labels(page)
    ticks = page.locator("figure:has-text('stage1_op') text.tick").evaluate_all(
        "some => some.map(one => one.getBoundingClientRect()).map(({ left, right, top }) => [left, right, top])"
    )
    rows = {top: [(left, right) for left, right, at in ticks if at == top] for _, _, top in ticks}
    assert len(ticks) > 6
    assert all(right < left for row in rows.values() for (_, right), (left, _) in pairwise(sorted(row)))


def test_nothing_is_wider_than_a_phone(page: Page, shown: Board) -> None:
    page.set_viewport_size({"width": 320, "height": 640})
    for view in views(shown):
        opened(page, shown, view)
        assert page.evaluate("() => document.documentElement.scrollWidth") <= 320, view
        cards = page.locator(".stacks").evaluate_all("some => some.every(one => one.scrollWidth <= one.clientWidth)")
        assert cards, view  # each row is a card, and nothing is cut


def test_a_search_without_trials_offers_no_choice_of_what_there_is_not(page: Page, shown: Board) -> None:
    opened(page, shown, f"#/s/{EMPTY}")
    expect(page.get_by_label("At epoch")).to_be_hidden()
    assert page.locator("select:visible").evaluate_all("some => some.every(one => one.options.length)")


def test_a_search_that_is_not_there_is_named(page: Page, shown: Board) -> None:
    page.goto(f"{shown.url}/#/s/none")
    expect(page.get_by_role("alert")).to_have_text("the store has no search 'none'")


def test_a_trial_can_be_opened_without_a_mouse(page: Page, shown: Board) -> None:
    opened(page, shown, f"#/s/{ONE}")
    page.get_by_label("Find trials").press("Enter")
    expect(page.get_by_label("Table of trials").get_by_role("link", name="trial-0000")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="trial-0000")).to_be_focused()


def test_the_page_names_no_address_outside_of_the_board() -> None:
    names = {found for file in files(FILES).values() for found in re.findall(r"https?://[^\s\"'`]+", file)}
    assert names == {"http://www.w3.org/2000/svg"}
