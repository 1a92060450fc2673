"""Notes and stars are kept in the store, shown with their trials, and refused where they are wrong."""

from __future__ import annotations

import pytest
from atelier_board.app import create
from atelier_store import notes
from atelier_store.audit import audit
from atelier_store.layout import Store
from atelier_store.records import TrialRecord
from starlette.testclient import TestClient

from tests.board.conftest import ONE
from tests.support.board import column
from tests.support.damage import torn


@pytest.fixture
def asking(store: Store) -> TestClient:
    return TestClient(create(store, ["board"]), base_url="http://board")


@pytest.fixture
def key(store: Store) -> str:
    found = TrialRecord.read(store.experiment(ONE).trial("trial-0000")).key
    assert found is not None
    return found


def test_a_note_is_shown_with_the_trial_and_in_the_table(store: Store, asking: TestClient, key: str) -> None:
    assert asking.put(f"/api/notes/{key}", json={"starred": True, "text": " try it wider\n"}).status_code == 204
    trial = asking.get(f"/api/searches/{ONE}/trials/trial-0000").json()
    assert (trial["note"]["starred"], trial["note"]["text"]) == (True, "try it wider")
    table = asking.get(f"/api/searches/{ONE}").json()["trials_by_column"]
    assert column(table["note"]) == ["★ try it wider"]
    assert asking.put(f"/api/notes/{key}", json={"starred": False, "text": ""}).status_code == 204
    assert not store.note(key).exists()


def test_a_damaged_note_is_named_by_an_audit_and_breaks_no_view(store: Store, asking: TestClient, key: str) -> None:
    notes.write(store, key, starred=False, text="try it wider")
    torn(store.note(key))
    assert asking.get(f"/api/searches/{ONE}/trials/trial-0000").json()["note"] is None
    assert [found.path for found in audit(store).mismatches if found.path.parent == store.notes] == [store.note(key)]


@pytest.mark.parametrize(
    ("body", "kind", "status", "words"),
    [
        ('{"starred": true, "text": "a"}', "text/plain", 415, "Content-Type: has to be application/json"),
        (
            '{"starred": "yes"}',
            "application/json",
            422,
            "starred: Input should be a valid boolean; text: Field required",
        ),
        ("{", "application/json", 422, "body: Invalid JSON"),
        ('{"starred": true, "text": "' + "a" * 10_001 + '"}', "application/json", 422, "text: has 10,001 characters"),
        ('{"text": "' + "a" * 70_000 + '"}', "application/json", 413, "a note has at most 65,536 bytes"),
    ],
)
def test_what_is_no_note_is_refused(
    store: Store, asking: TestClient, key: str, body: str, kind: str, status: int, words: str
) -> None:
    answer = asking.put(f"/api/notes/{key}", content=body, headers={"Content-Type": kind})
    assert answer.status_code == status and words in answer.json()["detail"]
    assert not store.notes.exists()


@pytest.mark.parametrize("other", ["0123456789abcdef", "nothing", "..%2Fmodels"])
def test_a_note_is_of_a_trial_that_is_there(store: Store, asking: TestClient, other: str) -> None:
    answer = asking.put(f"/api/notes/{other}", json={"starred": True, "text": ""})
    assert answer.status_code in (404, 422)
    assert not store.notes.exists()


def test_a_store_that_is_only_read_says_so(store: Store, asking: TestClient, key: str) -> None:
    store.notes.write_text("")  # so that there can be no such folder, whoever runs this
    answer = asking.put(f"/api/notes/{key}", json={"starred": True, "text": ""})
    assert answer.status_code == 503
    assert answer.json()["detail"].startswith(f"the store cannot be written: {store.notes}")
