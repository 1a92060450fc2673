"""What the board tells of a store: searches, trials, what is damaged, and what is not there."""

from __future__ import annotations

import base64
import csv
import gzip
import hashlib
import json
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from atelier_board import looks
from atelier_board.app import create
from atelier_store.curve import read_curve
from atelier_store.layout import Store
from atelier_store.ranking import rank
from atelier_store.records import Card, TrialRecord
from atelier_store.spec import Spec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from tests.board.conftest import EMPTY, ONE, THIRTY
from tests.support.board import column, numbers
from tests.support.damage import altered, emptied, made_a_folder, torn
from tests.support.server_process import eventually


def client(store: Store) -> TestClient:
    return TestClient(create(store, ["board"]), base_url="http://board")


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A look at every question."""
    monkeypatch.setattr(looks, "EVERY", -1.0)
    yield


def told(store: Store, path: str) -> Any:
    response = client(store).get(path)
    assert response.status_code == 200, response.text
    return response.json()


def rows(search: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Trial to column to value."""
    columns = {name: column(told) for name, told in search["trials_by_column"].items() if name != "parameters"}
    return {values[0]: dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)}


def test_every_search_is_listed_with_its_best_and_its_cost(made: Path) -> None:
    store = Store(made)
    found = {one["name"]: one for one in told(store, "/api/searches")}
    assert found.keys() == {THIRTY, EMPTY, ONE}
    best = rank(store, Spec.read(store.experiment(THIRTY).spec)).entries[0]
    assert (found[THIRTY]["best"], found[THIRTY]["best_trial"]) == (best.metric, best.trial)
    assert found[THIRTY]["trials"] == 30 and found[EMPTY]["trials"] == 0 and found[EMPTY]["best"] is None
    curves = [read_curve(store.trial(record.key).metrics) for record in records(store, THIRTY) if record.key]
    assert found[THIRTY]["epochs"] == sum(map(len, curves))
    assert found[THIRTY]["seconds"] == pytest.approx(sum(epoch.seconds for curve in curves for epoch in curve))


def records(store: Store, search: str) -> list[TrialRecord]:
    return [TrialRecord.read(path) for path in store.experiment(search).trials.glob("*.json")]


def test_every_trial_of_a_search_is_told_as_the_leaderboard_ranks_it(made: Path) -> None:
    store = Store(made)
    board = rank(store, Spec.read(store.experiment(THIRTY).spec))
    search = told(store, f"/api/searches/{THIRTY}")
    found = rows(search)
    assert list(found) == [entry.trial for entry in board.entries]
    for entry in board.entries:
        row = found[entry.trial]
        assert (row["rank"], row["reason"], row["params"], row["key"]) == (
            entry.rank, entry.reason, entry.params, entry.key
        )  # fmt: skip
        if entry.rank is not None:
            assert row["value"] == pytest.approx(entry.metric, rel=1e-5)
    assert Counter(row["status"] for row in found.values())["running"] == 2


def test_trials_are_told_in_the_order_of_their_ends(made: Path) -> None:
    store = Store(made)
    search = told(store, f"/api/searches/{THIRTY}")
    keys = column(search["trials_by_column"]["key"])
    in_time = [Card.read(store.trial(keys[round(row)]).card).updated_at for row in numbers(search["in_time"])]
    assert in_time == sorted(in_time)
    assert len(in_time) == sum(key is not None for key in keys)


def test_every_trial_has_its_curve_and_the_times_it_was_at_work(made: Path) -> None:
    store = Store(made)
    search = told(store, f"/api/searches/{THIRTY}")
    curves, keys = search["curves"], column(search["trials_by_column"]["key"])
    values, spans = (
        iter(numbers(curves["values"])),
        iter(zip(*map(numbers, (curves["from"], curves["to"])), strict=True)),
    )
    step = (curves["values"]["high"] - curves["values"]["low"]) / 65534
    for key, length, times in zip(keys, column(curves["lengths"]), column(curves["spans"]), strict=True):
        curve = read_curve(store.trial(key).metrics) if key else []
        found = [next(values) for _ in range(length)]
        assert found == pytest.approx([epoch.metrics["val_accuracy"] for epoch in curve], abs=step)
        worked = sum(ended - began for began, ended in (next(spans) for _ in range(times)))
        assert worked == pytest.approx(sum(epoch.seconds for epoch in curve), abs=1)
    assert next(values, None) is None and next(spans, None) is None


def test_a_trial_is_told_with_curve_files_and_digests(made: Path) -> None:
    store = Store(made)
    best = rank(store, Spec.read(store.experiment(THIRTY).spec)).entries[0]
    assert best.key is not None
    trial = told(store, f"/api/searches/{THIRTY}/trials/{best.trial}")
    card = Card.read(store.trial(best.key).card)
    assert (trial["rank"], trial["problems"], trial["key"]) == (1, [], best.key)
    assert {file["name"]: file["sha256"] for file in trial["files"] if file["sha256"]} == card.files
    assert [epoch["epoch"] for epoch in trial["curve"]] == list(range(1, card.epochs + 1))
    assert trial["config"]["params"]["lr"] == pytest.approx(float(trial["parameters"]["lr"]))


def test_a_trial_that_two_searches_share_names_the_other(store: Store) -> None:
    record = next(one for one in records(store, ONE) if one.key)
    TrialRecord(trial="mine", params={}, key=record.key).write(store.experiment(THIRTY).trial("mine"))
    shared = told(store, f"/api/searches/{THIRTY}/trials/mine")["shared_with"]
    assert shared == [{"search": ONE, "trial": record.trial}]


def test_two_trials_are_compared_by_what_differs_alone(made: Path) -> None:
    store = Store(made)
    first, second = (entry.trial for entry in rank(store, Spec.read(store.experiment(THIRTY).spec)).entries[:2])
    one, other = (
        next(record for record in records(store, THIRTY) if record.trial == trial) for trial in (first, second)
    )
    found = told(store, f"/api/compare?a={THIRTY}/{first}&b={THIRTY}/{second}")
    lr = next(one for one in found["differences"] if one["name"] == "lr")
    assert (lr["part"], lr["a"], lr["b"]) == (
        "parameters",
        *map(pytest.approx, map(float, (one.params["lr"], other.params["lr"]))),
    )
    assert found["a"]["network"]["config"]["params"]["lr"] == lr["a"]
    assert len(found["b"]["curve"]) == len(read_curve(store.trial(str(other.key)).metrics))


def test_two_searches_are_compared_by_spec_and_at_equal_cost(made: Path) -> None:
    found = told(Store(made), f"/api/compare?a={THIRTY}&b={ONE}")
    assert "experiment.maxTrialCount" in [one["name"] for one in found["differences"]]
    assert found["at_equal_cost"][-1]["epochs"] == sum(column(found["b"]["trials"]["epochs"]))


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("", "a and b: missing"),
        (f"a={THIRTY}", "b: missing"),
        (f"a={THIRTY}&b=nothing", "has no search and no trial 'nothing'"),
        (f"a={THIRTY}&b={ONE}/trial-0000", "is a search and"),
    ],
)
def test_a_comparison_that_cannot_be_made_says_why(made: Path, query: str, words: str) -> None:
    response = client(Store(made)).get(f"/api/compare?{query}")
    assert response.status_code == 422
    assert words in response.json()["detail"]


def test_answers_are_compressed_for_who_takes_that(made: Path) -> None:
    response = client(Store(made)).get(f"/api/searches/{THIRTY}", headers={"Accept-Encoding": "gzip"})
    assert response.headers["content-encoding"] == "gzip"


def test_the_table_can_be_taken_away_as_csv(made: Path) -> None:
    response = client(Store(made)).get(f"/api/searches/{THIRTY}/trials.csv")
    assert response.headers["content-type"].startswith("text/csv")
    assert response.headers["content-disposition"] == f'attachment; filename="{THIRTY}.csv"'
    lines = list(csv.DictReader(response.text.splitlines()))
    by_name = {record.trial: record for record in records(Store(made), THIRTY)}
    assert {line["trial"] for line in lines} == by_name.keys()
    assert all(line["lr"] == by_name[line["trial"]].params["lr"] for line in lines)


# polling


@pytest.mark.usefixtures("often")
@pytest.mark.parametrize(
    "path", ["/api/searches", f"/api/searches/{THIRTY}", f"/api/searches/{THIRTY}/trials/trial-0003"]
)
def test_who_has_seen_it_gets_304_until_something_changes(store: Store, path: str) -> None:
    asking = client(store)
    seen = asking.get(path).headers["etag"]
    unchanged = asking.get(path, headers={"If-None-Match": seen})
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    key = next(record.key for record in records(store, THIRTY) if record.trial == "trial-0003")
    assert key is not None
    Card.read(store.trial(key).card).model_copy(update={"status": "stopped"}).write(store.trial(key).card)
    assert eventually(lambda: asking.get(path, headers={"If-None-Match": seen}).status_code == 200)


@pytest.mark.usefixtures("often")
def test_an_epoch_of_a_running_trial_appears(store: Store) -> None:
    asking, path = client(store), f"/api/searches/{THIRTY}"

    def epochs() -> int:
        return int(asking.get(path).json()["epochs"])

    before = epochs()
    running = next(
        one.key
        for one in records(store, THIRTY)
        if one.key and Card.read(store.trial(one.key).card).status == "running"
    )
    metrics = store.trial(running).metrics
    count = len(read_curve(metrics))
    metrics.write_bytes(b"".join(metrics.read_bytes().splitlines(keepends=True)[:-1]))
    assert eventually(lambda: epochs() == before - 1), f"{count} epochs before"


# what is not there, and who may ask


@pytest.mark.parametrize(
    ("path", "detail"),
    [
        ("/api/searches/none", "the store has no search 'none'"),
        (f"/api/searches/{THIRTY}/trials/none", f"{THIRTY} has no trial 'none'"),
        ("/api/searches/..%2F..%2Fetc", None),
        ("/none", None),
    ],
)
def test_what_is_not_there_is_a_problem(made: Path, path: str, detail: str | None) -> None:
    response = client(Store(made)).get(path)
    assert (response.status_code, response.headers["content-type"]) == (404, "application/problem+json")
    assert detail is None or response.json()["detail"] == detail


def test_nothing_can_be_written(made: Path) -> None:
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        assert client(Store(made)).request(method, f"/api/searches/{THIRTY}").status_code == 405


def test_a_page_of_another_name_gets_no_answer(made: Path) -> None:
    assert client(Store(made)).get("/api/searches", headers={"Host": "evil.example"}).status_code == 400


def test_the_policy_lets_in_what_the_page_holds_and_questions_to_the_board(made: Path) -> None:
    page, api = (client(Store(made)).get(path) for path in ("/", "/api/searches"))
    policy = page.headers["content-security-policy"].split("; ")
    for tag in ("script", "style"):
        (content,) = re.findall(rf"<{tag}>(.*?)</{tag}>", page.text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert {"default-src 'none'", "connect-src 'self'", "frame-ancestors 'none'"} <= set(policy)
    loaded = re.findall(r'(?:src|href)="(.*?)[,"]', page.text.partition("<script>")[0])
    assert set(loaded) == {"data:image/svg+xml;base64", "api/searches"}  # the last is a link, for who has no script
    assert api.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"


def test_script_and_style_are_small(made: Path) -> None:
    held = re.findall(r"<(?:script|style)>.*?</(?:script|style)>", client(Store(made)).get("/").text, re.DOTALL)
    assert len(gzip.compress("".join(held).encode())) <= 40_000


# damage


def not_text(path: Path) -> None:
    path.write_bytes(b"\xff\xfe" + path.read_bytes())


DAMAGES: list[Callable[[Path], None]] = [
    torn,
    altered,
    not_text,
    made_a_folder,
    Path.unlink,
    emptied,
]


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(harmed=st.lists(st.tuples(st.integers(0, 9999), st.sampled_from(DAMAGES)), min_size=1, max_size=6))
def test_no_damaged_file_breaks_a_view(made: Path, harmed: list[tuple[int, Callable[[Path], None]]]) -> None:
    with TemporaryDirectory() as folder:
        store = Store(Path(shutil.copytree(made, Path(folder) / "store")))
        for number, harm in harmed:
            files = sorted(path for path in store.root.rglob("*") if path.is_file())
            harm(files[number % len(files)])
        asking = client(store)

        def asked(address: str) -> str:
            said: str = asking.get(address).raise_for_status().text
            assert folder not in said, "paths of the machine are not shown"
            return said

        asked("/api/models")
        asked("/api/audit")
        for search in json.loads(asked("/api/searches")):
            whole = json.loads(asked(f"/api/searches/{search['name']}"))
            asked(f"/api/searches/{search['name']}/trials.csv")
            assert search["state"] != "unreadable" or search["problem"]
            for trial, row in rows(whole).items():
                told = json.loads(asked(f"/api/searches/{search['name']}/trials/{trial}"))
                assert row["status"] != "damaged" or told["problems"], row


@pytest.mark.parametrize("harm", DAMAGES[:4])
def test_a_damaged_file_is_named_where_it_is_shown(store: Store, harm: Callable[[Path], None]) -> None:
    by_status = {Card.read(store.trial(one.key).card).status: one for one in records(store, THIRTY) if one.key}
    paused, of = by_status["paused"], by_status["succeeded" if "succeeded" in by_status else "running"]
    assert paused.key and of.key
    harm(store.trial(paused.key).card)
    harm(store.trial(of.key).metrics)
    search = told(store, f"/api/searches/{THIRTY}")
    assert rows(search)[paused.trial]["status"] == "damaged"
    assert rows(search)[paused.trial]["reason"].startswith(f"trials/{paused.key}/card.json: ")
    assert "card.json" in told(store, f"/api/searches/{THIRTY}/trials/{paused.trial}")["problems"][0]
    harm(store.experiment(ONE).spec)
    (one,) = [search for search in told(store, "/api/searches") if search["name"] == ONE]
    assert one["state"] == "unreadable" and "spec.json" in one["problem"]


@pytest.mark.usefixtures("often")
def test_the_board_writes_nothing_into_a_small_store(store: Store) -> None:
    def there() -> dict[Path, int]:
        return {path: path.lstat().st_mtime_ns for path in store.root.rglob("*")}

    before = there()
    asking = client(store)
    for _ in range(2):
        asking.get("/api/searches")
        asking.get(f"/api/searches/{THIRTY}")
    assert there() == before
