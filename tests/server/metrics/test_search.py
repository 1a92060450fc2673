"""What the server exports of the search for its model, read from a store that other processes write to."""

import os
import re
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from atelier_server.metrics.search import SearchMetrics
from atelier_server.promotion.search_record import write as write_search
from atelier_store.layout import Store
from atelier_store.records import Card, Search, SearchState, TrialRecord
from atelier_store.sealed import read_document
from atelier_store.spec import Spec
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from tests.support import ROOT
from tests.support.experiments import begin, spec
from tests.support.server_process import serving

STATUSES = ("running", "paused", "stopped", "over_budget", "succeeded", "failed", "waiting")
SERVING = ROOT / "docs" / "serving.md"


@pytest.fixture
def of(store: Store) -> Spec:
    """A search that is waited for; nothing has run yet."""
    of = spec()
    begin(store, of)
    write_search(store.model("digits"), of.experiment_name, "running")
    return of


def add(store: Store, of: Spec, number: int, status: str | None, metric: float | None = None, **card: Any) -> str:
    """A trial, with a card of this status if there is one; the result is its key."""
    key = f"{number:016x}"
    TrialRecord(trial=f"t{number}", params={}, key=key).write(store.experiment(of.experiment_name).trial(f"t{number}"))
    if status:
        fields = {"objective_metric_name": "val_accuracy", "updated_at": "now", **card}
        Card(key=key, status=status, metric=metric, **fields).write(store.trial(key).card)
    return key


def scraped(metrics: SearchMetrics) -> dict[str, dict[tuple[str, ...], float]]:
    """Name to label values, without that of the experiment, to value; as Prometheus reads it."""
    registry = CollectorRegistry()
    registry.register(metrics)
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(generate_latest(registry).decode()):
        assert family.type == "gauge" and family.documentation
        for sample in family.samples:
            labels = {name: value for name, value in sample.labels.items() if name != "experiment"}
            assert sample.labels["experiment"] == spec().experiment_name
            found.setdefault(sample.name.removeprefix("atelier_search_"), {})[tuple(labels.values())] = sample.value
    return found


def now(store: Store) -> dict[str, dict[tuple[str, ...], float]]:
    return scraped(SearchMetrics(store.model("digits")))


def test_without_a_search_there_is_nothing(store: Store) -> None:
    assert now(store) == {}
    begin(store, spec())
    assert now(store) == {}


def test_trials_are_counted_by_status_and_the_best_value_is_told(store: Store, of: Spec) -> None:
    for number, (status, metric) in enumerate(
        [*zip(STATUSES[:6], (0.5, 0.7, 0.6, None, 0.9, None), strict=True), (None, None)]
    ):
        add(store, of, number, status, metric)
    add(store, of, 7, "succeeded", 0.8)
    TrialRecord(trial="refused", params={}, key=None, error="lr").write(
        store.experiment(of.experiment_name).trial("refused")
    )
    found = now(store)
    assert found["running"] == {(): 1} and found["promotion_failed"] == {(): 0}
    assert found["winner_refused"] == found["winner_waiting"] == {(): 0}
    assert found["trials"] == {(status,): {"succeeded": 2, "failed": 2}.get(status, 1) for status in STATUSES}
    assert found["best_objective"] == {("val_accuracy",): 0.9}


@pytest.mark.parametrize(("state", "name"), [("refused", "winner_refused"), ("waiting", "winner_waiting")])
def test_a_winner_that_is_not_served_is_told(store: Store, of: Spec, state: SearchState, name: str) -> None:
    write_search(store.model("digits"), of.experiment_name, state)
    found = now(store)
    told = {key: found[key][()] for key in ("running", "promotion_failed", "winner_refused", "winner_waiting")}
    assert told == dict.fromkeys(told, 0) | {name: 1}


def test_a_winner_that_the_policy_none_leaves_waits_for_nobody(store: Store, of: Spec) -> None:
    write_search(store.model("digits"), of.experiment_name, "not_promoted")
    found = now(store)
    told = [found[key][()] for key in ("running", "promotion_failed", "winner_refused", "winner_waiting")]
    assert told == [0, 0, 0, 0]


def test_a_value_of_another_objective_is_none_of_this_search(store: Store, of: Spec) -> None:
    add(store, of, 1, "succeeded", 12.5, objective_metric_name="val_loss")
    assert "best_objective" not in now(store)


def test_the_smallest_is_the_best_where_it_is_minimized(store: Store, of: Spec) -> None:
    path = store.experiment(of.experiment_name).spec
    path.write_bytes(read_document(path.read_bytes()).replace(b'"maximize"', b'"minimize"'))
    for number, metric in enumerate((0.5, 0.2, 0.3)):
        add(store, of, number, "running", metric)
    assert now(store)["best_objective"] == {("val_accuracy",): 0.2}


@pytest.mark.parametrize(("state", "running", "failed"), [("running", 1, 0), ("promoted", 0, 0), ("failed", 0, 1)])
def test_the_state_of_the_search_is_told(store: Store, of: Spec, state: Any, running: int, failed: int) -> None:
    write_search(store.model("digits"), of.experiment_name, state)
    assert (now(store)["running"], now(store)["promotion_failed"]) == ({(): running}, {(): failed})


def test_a_search_that_nobody_waits_or_trains_for_does_not_run(store: Store, of: Spec) -> None:
    def age(path: Path, seconds: float) -> None:
        path.touch()
        os.utime(path, (time.time() - seconds,) * 2)

    lease = store.trial(add(store, of, 1, "running")).lease
    for waited, trained, running in [(590, 700, 1), (700, 590, 1), (700, 700, 0)]:
        age(store.model("digits").search, waited)
        age(lease, trained)
        assert now(store)["running"] == {(): running}


def test_progress_is_the_last_trial_begun_or_epoch_ended(store: Store, of: Spec) -> None:
    def progress() -> float:
        return now(store)["last_progress_timestamp_seconds"][()]

    write_search(store.model("digits"), of.experiment_name, "running", "a minute later")
    began = Search.read(store.model("digits").search).updated_at
    assert progress() == datetime.fromisoformat(began).timestamp()
    keys = [add(store, of, number, "running") for number in (1, 2)]
    records = [store.experiment(of.experiment_name).trial(f"t{number}") for number in (1, 2)]
    for path, moment in zip(records, (200, 300), strict=True):
        os.utime(path, (moment, moment))
    assert progress() == 300
    metrics = store.trial(keys[0]).metrics
    metrics.write_text("")
    os.utime(metrics, (400, 400))
    assert progress() == 400


@pytest.mark.parametrize("damage", ["torn", "empty", "missing", "a folder", "not UTF-8"])
@pytest.mark.parametrize("which", ["search", "spec", "record", "card", "metrics"])
def test_no_file_that_is_damaged_breaks_a_scrape(store: Store, of: Spec, which: str, damage: str) -> None:
    key = add(store, of, 1, "running", 0.5)
    add(store, of, 2, "succeeded", 0.4)
    experiment = store.experiment(of.experiment_name)
    paths = {"search": store.model("digits").search, "spec": experiment.spec, "record": experiment.trial("t1")}
    path = (paths | {"card": store.trial(key).card, "metrics": store.trial(key).metrics})[which]
    path.touch()
    content = path.read_bytes()
    path.unlink()
    if damage == "a folder":
        path.mkdir()
    elif damage != "missing":
        path.write_bytes({"torn": content[: len(content) // 2], "empty": b"", "not UTF-8": b"\xff" + content}[damage])
    found = now(store)
    assert found == {} if which == "search" else found["trials"]["succeeded",] == 1


def test_what_was_read_is_kept_for_a_while(store: Store, of: Spec) -> None:
    kept, fresh = SearchMetrics(store.model("digits"), keep=3600), SearchMetrics(store.model("digits"), keep=0)
    assert scraped(kept)["running"] == scraped(fresh)["running"] == {(): 1}
    write_search(store.model("digits"), of.experiment_name, "promoted")
    assert scraped(kept)["running"] == {(): 1}
    assert scraped(fresh)["running"] == {(): 0}


def test_a_scrape_of_hundreds_of_trials_is_cheap(store: Store, of: Spec) -> None:
    for number in range(300):
        add(store, of, number, "succeeded", number / 1000)
    metrics = SearchMetrics(store.model("digits"))
    before = time.process_time()
    assert scraped(metrics)["trials"]["succeeded",] == 300
    assert time.process_time() - before < 1


@pytest.mark.process
def test_the_server_exports_what_its_page_lists(store: Store, of: Spec) -> None:
    add(store, of, 1, "running", 0.5)
    with serving(store) as server:
        text = server.client.get("/metrics").text
    exported = {
        (family.name, family.type, tuple(family.samples[0].labels))
        for family in text_string_to_metric_families(text)
        if family.name.startswith("atelier_search_")
    }
    rows = re.findall(r"^\| `(atelier_search_\w+)` \| (\w+) \| ([\w, ]+) \|", SERVING.read_text(), re.MULTILINE)
    assert len(rows) == 7
    assert {(name, kind, tuple(labels.split(", "))) for name, kind, labels in rows} == exported
