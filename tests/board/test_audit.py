"""The audit of a store on the board: promotions, readings, replays, and a check that somebody asks for."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from atelier_board.app import create
from atelier_store import audit, clock
from atelier_store.layout import Store
from atelier_store.ranking import rule
from atelier_store.records import Replay, TrialRecord
from atelier_store.spec import Spec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from benchmarks.made_up_store import DATA, ENVIRONMENT
from tests.board.conftest import EMPTY, ONE, THIRTY
from tests.board.promotions import promoted
from tests.board.test_api import DAMAGES
from tests.support.server_process import eventually


def client(store: Store) -> TestClient:
    return TestClient(create(store, ["board"]), base_url="http://board")


def told(asking: TestClient, path: str = "/api/audit") -> Any:
    return asking.get(path).raise_for_status().json()


def replay(store: Store, search: str, trial: str, *different: str, at: str = "") -> str:
    """Keep that a trial was trained again; its key."""
    key = TrialRecord.read(store.experiment(search).trial(trial)).key
    assert key is not None
    at = at or clock.now()
    Replay(
        key=key, epochs=3, tensors=12, different=different, environment=ENVIRONMENT, replayed_at=at
    ).write(store.trial(key).replay(at))  # fmt: skip
    return key


def checked(asking: TestClient) -> dict[str, Any]:
    """What a check finds, once it has ended."""
    told(asking, "/api/audit/check?begin")
    eventually(lambda: told(asking, "/api/audit/check")["under_way"] is None)
    found: dict[str, Any] = told(asking, "/api/audit/check")["last"]
    return found


def test_a_store_without_a_promotion_has_nothing_to_tell(store: Store) -> None:
    found = told(client(store))
    assert (found["moves"], found["readings"], found["replays"], found["problems"]) == ([], [], [], [])
    assert set(found["searches"]) == {THIRTY, ONE, EMPTY}


def test_who_promoted_what_by_which_rule_and_when_test_rows_were_read(store: Store) -> None:
    one, thirty = promoted(store, ONE).promotion, promoted(store, THIRTY).promotion
    found = told(client(store))
    assert [(move["version"], move["previous"], move["policy"]) for move in found["moves"]] == [
        (thirty.version, one.version, "always"),
        (one.version, None, "always"),
    ]
    assert {move["promoted_by"] for move in found["moves"]} == {"tests"}
    spec = Spec.read(store.experiment(THIRTY).spec)
    assert found["rules"][THIRTY] == rule(spec)
    readings = [(one["search"], one["version"], one["purpose"], one["rows"]) for one in found["readings"]]
    assert readings == [(THIRTY, thirty.version, "score", 90), (ONE, one.version, "score", 90)]


def test_what_was_trained_again_is_told_with_how_it_came_out(store: Store) -> None:
    same = replay(store, THIRTY, "trial-0000", at="2026-11-20T08:00:00.000Z")
    replay(store, ONE, "trial-0000", "weight", at="2026-11-21T08:00:00.000Z")
    found = told(client(store))["replays"]
    assert [(one["search"], one["trial"], one["different"]) for one in found] == [
        (ONE, "trial-0000", ["weight"]),
        (THIRTY, "trial-0000", []),
    ]
    assert found[1]["key"] == same and found[1]["tensors"] == 12


def test_nothing_is_hashed_before_somebody_asks_for_it(store: Store) -> None:
    asking = client(store)
    told(asking)
    assert told(asking, "/api/audit/check") == {"under_way": None, "last": None}
    found, whole = checked(asking), audit.audit(store)
    assert (found["checked"], found["mismatched"]) == (whole.checked, len(whole.mismatches))
    assert [one["path"] for one in found["mismatches"]] == [str(store.data(DATA.digest).folder.relative_to(store.root))]
    assert told(asking, "/api/audit/check")["last"] == found  # and it stays


def test_what_does_not_match_is_named(store: Store) -> None:
    version = promoted(store, THIRTY).promotion.version
    asking = client(store)
    before = checked(asking)["mismatches"]
    network = store.model("digits").version(version).network
    network.write_bytes(network.read_bytes()[:-1] + b"?")
    found = [one for one in checked(asking)["mismatches"] if one not in before]
    assert found and all(one["path"].startswith(f"models/digits/versions/{version}") for one in found)
    assert any(network.name in one["problem"] for one in found)


def test_one_check_is_under_way_however_many_ask_and_says_how_far_it_is(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    asking, go_on, runs = client(store), threading.Event(), []
    whole = audit.audit

    def slow(store: Store, on_progress: Callable[[Path], object]) -> audit.Audit:
        runs.append(store)
        on_progress(store.root / "trials")
        go_on.wait(60)
        return whole(store)

    monkeypatch.setattr(audit, "audit", slow)
    told(asking, "/api/audit/check?begin")
    far = eventually(lambda: (now := told(asking, "/api/audit/check")["under_way"])["done"] and now)
    assert far["done"] == 1 and far["of"] == sum(map(len, audit.folders(store).values())) and far["at"] == "trials"
    assert told(asking, "/api/audit/check?begin")["under_way"] == far
    go_on.set()
    eventually(lambda: told(asking, "/api/audit/check")["under_way"] is None)
    assert len(runs) == 1


def test_another_pages_request_begins_no_check(store: Store) -> None:
    asking = client(store)
    refused = asking.get("/api/audit/check?begin", headers={"Sec-Fetch-Site": "cross-site"})
    assert refused.status_code == 403 and "begins a check" in refused.json()["detail"]
    assert told(asking, "/api/audit/check")["under_way"] is None


def test_a_check_that_cannot_be_finished_says_why(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> audit.Audit:
        raise PermissionError(13, "Permission denied", "trials")

    monkeypatch.setattr(threading, "excepthook", lambda _: pytest.fail("the thread has ended by an exception"))
    monkeypatch.setattr(audit, "audit", broken)
    assert "Permission denied" in checked(client(store))["failed"]


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(harmed=st.lists(st.tuples(st.integers(0, 9999), st.sampled_from(DAMAGES)), min_size=1, max_size=3))
def test_no_damage_of_models_and_replays_breaks_a_view(
    promotions: Path, harmed: list[tuple[int, Callable[[Path], None]]]
) -> None:
    with TemporaryDirectory() as folder:
        store = Store(Path(shutil.copytree(promotions, Path(folder) / "store")))
        for number, harm in harmed:
            files = sorted(path for at in ("models", "trials/*/replays") for path in store.root.glob(f"{at}/**/*"))
            whole = [path for path in files if path.is_file()]
            harm(whole[number % len(whole)])
        asking = client(store)
        for path in ("/api/audit", "/api/models"):
            told(asking, path)
        for search in (ONE, THIRTY):
            told(asking, f"/api/searches/{search}/trials/trial-0000")
        assert "failed" not in checked(asking)


@pytest.fixture(scope="session")
def promotions(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of two promotions and a replay."""
    store = Store(Path(shutil.copytree(made, tmp_path_factory.mktemp("promotions") / "store")))
    for search in (ONE, THIRTY):
        promoted(store, search)
        replay(store, search, "trial-0000")
    return store.root
