"""Whoever has the token sees the board; a store that cannot be written is shown, and its index kept elsewhere."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from atelier_board.__main__ import main
from atelier_board.app import create
from atelier_store import index
from atelier_store.layout import Store
from atelier_store.tokens import Token
from starlette.testclient import TestClient

from tests.board.conftest import THIRTY


@pytest.fixture
def guarded(made: Path, tmp_path: Path) -> TestClient:
    """A board that asks for the token s3cret."""
    (tmp_path / "token").write_text("s3cret\n")
    return TestClient(create(Store(made), ["board"], Token(tmp_path / "token")), base_url="http://board")


def test_the_token_is_taken_as_a_password_and_as_a_bearer_token(guarded: TestClient) -> None:
    for authorization in ("Bearer s3cret", "Basic YW55Ym9keTpzM2NyZXQ="):  # anybody:s3cret
        for path in ("/", "/api/searches"):
            assert guarded.get(path, headers={"Authorization": authorization}).status_code == 200, path


@pytest.mark.parametrize(
    "authorization",
    [None, "Bearer other", "Basic czNjcmV0", "Basic YW55OnMzY3JldHM=", "Basic !", "Digest s3cret", "s3cret"],
)
def test_without_it_nothing_is_shown_and_a_browser_asks_for_it(guarded: TestClient, authorization: str | None) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    for path in ("/", "/api/searches", "/nowhere"):
        refused = guarded.get(path, headers=headers)
        assert refused.status_code == 401 and refused.headers["www-authenticate"].startswith("Basic realm=")
        assert refused.headers["content-type"] == "application/problem+json" and THIRTY not in refused.text


def test_probes_need_no_token(guarded: TestClient) -> None:
    assert guarded.get("/health").status_code == 200


def test_a_store_that_cannot_be_written_is_shown_and_its_index_kept_elsewhere(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index, "WORTH_WRITING", 1)
    monkeypatch.setattr(index, "SETTLED", -1.0)
    store = Path(shutil.copytree(made, tmp_path / "store"))
    before = {path: path.read_bytes() for path in store.rglob("*") if path.is_file()}
    shown = TestClient(create(Store(store), ["board"], cache=tmp_path / "cache"), base_url="http://board")
    assert len(shown.get(f"/api/searches/{THIRTY}").json()["trials_by_column"]["trial"]) == 30
    assert (tmp_path / "cache" / f"{THIRTY}.json").is_file()
    assert {path: path.read_bytes() for path in store.rglob("*") if path.is_file()} == before


def test_what_is_wrong_with_the_arguments_is_said_before_it_listens(
    made: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert main(["--store", str(tmp_path / "nowhere")]) == 2
    assert main(["--store", str(made), "--token-file", str(tmp_path / "nowhere")]) == 2
    (tmp_path / "token").write_text("two words")
    assert main(["--store", str(made), "--token-file", str(tmp_path / "token")]) == 2
    assert [record.getMessage() for record in caplog.records] == [
        f"--store: {tmp_path}/nowhere: no such folder",
        f"no token: [Errno 2] No such file or directory: '{tmp_path}/nowhere'",
        f"no token: {tmp_path}/token: must hold one token, without spaces",
    ]
