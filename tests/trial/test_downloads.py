"""Downloads go on where they broke off, keep only what was declared, and tell nobody what is secret."""

from __future__ import annotations

import hashlib
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from atelier_trial.data import DataError
from atelier_trial.data.downloads import download

CONTENT = bytes(range(256)) * 5000
SHA256 = hashlib.sha256(CONTENT).hexdigest()
SECRET = "Bearer hunter2"


class Web:
    """A server of one file by many paths. It breaks off after `most` bytes, and notes what it was asked."""

    def __init__(self) -> None:
        self.most = len(CONTENT)
        self.content = CONTENT
        self.asked: list[tuple[str, dict[str, str]]] = []
        web = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                web.answer(self)

            def log_message(self, *_: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.server.server_port}/{path}"

    def answer(self, request: http.server.BaseHTTPRequestHandler) -> None:
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.asked.append((request.path, headers))
        if request.path.startswith("/elsewhere/"):
            request.send_response(302)
            request.send_header("Location", self.url("moved/set.npz", "localhost"))
            request.send_header("Content-Length", "0")
            request.end_headers()
            return
        asked = headers.get("range") if "whole" not in request.path else None
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked else 0
        if start >= len(self.content):
            request.send_error(416)
            return
        request.send_response(206 if start else 200)
        if start:
            request.send_header("Content-Range", f"bytes {start}-{len(self.content) - 1}/{len(self.content)}")
        request.send_header("Content-Length", str(len(self.content) - start))
        request.send_header("ETag", '"1"')
        request.end_headers()
        request.wfile.write(self.content[start : start + self.most])
        request.close_connection = True

    def starts(self) -> list[str | None]:
        return [headers.get("range") for _, headers in self.asked]


@pytest.fixture
def web() -> Iterator[Web]:
    web = Web()
    yield web
    web.server.shutdown()
    web.server.server_close()


def fetched(url: str, folder: Path, sha256: str = SHA256, **headers_from: str) -> list[str]:
    told: list[str] = []
    download("trainer.data.files.train", url, sha256, folder / "set.npz", headers_from, told.append)
    return told


def refused(url: str, folder: Path, sha256: str = SHA256, **headers_from: str) -> str:
    with pytest.raises(DataError) as error:
        fetched(url, folder, sha256, **headers_from)
    (violation,) = error.value.violations
    return violation


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_connection_that_breaks_off_is_made_again_from_where_it_was(web: Web, tmp_path: Path) -> None:
    web.most = 500_000

    fetched(web.url("set.npz"), tmp_path)

    assert (tmp_path / "set.npz").read_bytes() == CONTENT
    assert web.starts() == [None, "bytes=500000-", "bytes=1000000-"]
    assert left(tmp_path) == ["set.npz"]


def test_a_download_that_was_given_up_goes_on_with_the_next_command(web: Web, tmp_path: Path) -> None:
    (part := tmp_path / f".set.npz.{SHA256[:16]}.part").write_bytes(CONTENT[:1000])

    fetched(web.url("set.npz"), tmp_path)

    assert web.starts() == ["bytes=1000-"]
    assert not part.exists() and (tmp_path / "set.npz").read_bytes() == CONTENT


@pytest.mark.parametrize("content", [b"x" * 1000, CONTENT, CONTENT + b"x"], ids=["other bytes", "whole", "too much"])
def test_what_was_left_behind_is_kept_if_it_is_right_else_fetched_again(
    web: Web, tmp_path: Path, content: bytes
) -> None:
    (tmp_path / f".set.npz.{SHA256[:16]}.part").write_bytes(content)

    fetched(web.url("set.npz"), tmp_path)

    assert (tmp_path / "set.npz").read_bytes() == CONTENT
    assert (web.starts()[-1] is None) == (content != CONTENT)


def test_a_server_that_knows_no_ranges_sends_all_again(web: Web, tmp_path: Path) -> None:
    (tmp_path / f".set.npz.{SHA256[:16]}.part").write_bytes(CONTENT[:1000])

    fetched(web.url("whole/set.npz"), tmp_path)

    assert (tmp_path / "set.npz").read_bytes() == CONTENT


def test_a_server_that_sends_no_more_is_given_up_and_what_came_is_kept(web: Web, tmp_path: Path) -> None:
    web.most = 0

    said = refused(web.url("set.npz"), tmp_path)

    assert f"{web.url('set.npz')} could not be fetched: " in said and "; try again, or put set.npz into" in said
    assert len(web.asked) == 1


def test_a_file_without_content_is_not_taken_for_whole(web: Web, tmp_path: Path) -> None:
    web.content = b""

    said = refused(web.url("set.npz"), tmp_path)

    assert "could not be fetched: " in said and "416" in said


def test_another_content_than_declared_is_refused_and_not_kept(web: Web, tmp_path: Path) -> None:
    said = refused(web.url("set.npz"), tmp_path, "0" * 64)

    assert said == f"trainer.data.files.train: set.npz: wrong sha256: expected {'0' * 64}, found {SHA256}"
    assert left(tmp_path) == []


def test_a_header_comes_from_the_environment_and_another_host_is_not_told_it(
    web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATA_TOKEN", SECRET)

    fetched(web.url("elsewhere/set.npz"), tmp_path, Authorization="DATA_TOKEN", PrivateToken="DATA_TOKEN")

    (first, told), (moved, untold) = web.asked
    assert (first, moved) == ("/elsewhere/set.npz", "/moved/set.npz")
    assert told["authorization"] == told["privatetoken"] == SECRET
    assert SECRET not in untold.values()


@pytest.mark.parametrize(("value", "why"), [(None, "the environment has no DATA_TOKEN"), ("a\nb", "holds a character")])
def test_a_header_that_is_not_there_or_cannot_be_sent_is_refused_by_name(
    web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str | None, why: str
) -> None:
    if value is not None:
        monkeypatch.setenv("DATA_TOKEN", value)

    said = refused(web.url("set.npz"), tmp_path, Authorization="DATA_TOKEN")

    assert said.startswith("trainer.data.files.train.headersFrom.Authorization: ") and why in said
    assert web.asked == []
