"""Downloads by HTTP and from S3: one that breaks off goes on where it did, and only the declared content is kept."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

from atelier_store.files import made_folder, sha256_file
from atelier_store.lease import Lease
from atelier_store.spec import public_url

from atelier_trial.data.errors import DataError
from atelier_trial.data.progress import Tell

PIECE = 2**16
"""Bytes that are read at once; so many are lost at most where a connection breaks."""

PATIENCE = 30.0
"""Seconds without a byte, after which a connection is taken for broken."""

TOLD = 10.0
"""Seconds between two lines of progress."""

REDIRECTS = 10

BEYOND = 416
"""The status where there is nothing from the asked byte on: what is there is whole, or of something else."""


class Answer(NamedTuple):
    """What a server sends: the first byte's place in the whole content, the size of that, and the pieces from there."""

    start: int
    size: int | None
    pieces: Iterator[bytes]


def download(field: str, url: str, sha256: str, path: Path, headers_from: Mapping[str, str], progress: Tell) -> None:
    """Fetch url to path, unless another process does so first. DataError, in which no secret of the url is told.

    headers_from names the variable of the environment that holds a header's value. What an earlier download of this
    content left behind is gone on from. progress is told how far it is.
    """
    part = path.with_name(f".{path.name}.{sha256[:16]}.part")
    headers = _headers(field, headers_from)
    with (
        made_folder(path.parent),
        Lease.acquire(
            part.with_suffix(".lease"),
            f"download of {path.name}",
            keep_waiting=lambda: True,
            on_wait=lambda holder: progress(f"waiting for {holder}"),
        ),
    ):
        while not path.exists():
            is_resumed = part.exists()
            try:
                _fetch(url, headers, part, path.name, progress)
            except Exception as error:  # whatever a protocol's library raises
                raise DataError([f"{field}: {_reason(error, url, headers, part, path)}"]) from error
            actual = sha256_file(part)
            if actual == sha256:
                part.replace(path)
                return
            part.unlink()
            if not is_resumed:  # else what was left behind may have been damaged
                raise DataError([f"{field}: {path.name}: wrong sha256: expected {sha256}, found {actual}"])


def _headers(field: str, headers_from: Mapping[str, str]) -> dict[str, str]:
    violations = []
    for header, variable in headers_from.items():
        value = os.environ.get(variable, "")
        if not value:
            violations.append(f"{field}.headersFrom.{header}: the environment has no {variable}, or an empty one")
        elif not (value.isascii() and value.isprintable()):
            violations.append(f"{field}.headersFrom.{header}: {variable} holds a character that no header may have")
    if violations:
        raise DataError(violations)
    return {header: os.environ[variable].strip() for header, variable in headers_from.items()}


def _fetch(url: str, headers: Mapping[str, str], part: Path, name: str, progress: Tell) -> None:
    """Append to part until it is whole. A connection that breaks is made again, as long as each brings something."""
    while True:
        before = _size(part)
        try:
            with _answer(url, headers, before) as answer:
                _write(answer, part, name, progress)
            return
        except Exception:
            if _size(part) <= before:
                raise


def _write(answer: Answer, part: Path, name: str, progress: Tell) -> None:
    """Write an answer into part. EOFError if there is less than was promised."""
    with part.open("r+b" if answer.start else "wb") as file:
        file.truncate(answer.start)
        file.seek(answer.start)
        told = time.monotonic()
        for piece in answer.pieces:
            file.write(piece)
            if answer.size and time.monotonic() - told > TOLD:
                told = time.monotonic()
                progress(f"downloading {name}: {file.tell() / answer.size:.0%} of {answer.size / 1e6:,.0f} MB")
        have = file.tell()
    if answer.size is not None and have < answer.size:
        raise EOFError(f"it ended after {have:,} of {answer.size:,} bytes")


def _answer(url: str, headers: Mapping[str, str], start: int) -> Any:
    """A context whose value is the Answer from the byte start on, or from the first one."""
    return _from_s3(url, start) if urlsplit(url).scheme == "s3" else _by_http(url, headers, start)


@contextmanager
def _by_http(url: str, headers: Mapping[str, str], start: int) -> Iterator[Answer]:
    import httpx

    asked = {"Accept-Encoding": "identity", **headers, **_range(start)}
    with httpx.Client(timeout=PATIENCE) as client, closing(_followed(client, url, asked, headers)) as response:
        if start and response.status_code == BEYOND:
            yield Answer(start, None, iter(()))
            return
        if response.status_code >= 400:
            raise OSError(f"{response.status_code} {response.reason_phrase}")
        first = _first(response.headers.get("Content-Range")) if response.status_code == 206 else 0
        length = response.headers.get("Content-Length")
        yield Answer(first, None if length is None else first + int(length), response.iter_raw())


def _followed(client: Any, url: str, asked: Mapping[str, str], private: Mapping[str, str]) -> Any:
    """The response at the end of all redirects. Another host is not told the private headers."""
    request = client.build_request("GET", url, headers=asked)
    for _ in range(REDIRECTS):
        response = client.send(request, stream=True)
        if response.next_request is None:
            return response
        response.close()
        if (response.next_request.url.host, response.next_request.url.port) != (request.url.host, request.url.port):
            for header in private:
                response.next_request.headers.pop(header, None)
        request = response.next_request
    raise OSError(f"more than {REDIRECTS} redirects")


@contextmanager
def _from_s3(url: str, start: int) -> Iterator[Answer]:
    """As the environment and the files say that all programs for S3 read: AWS_PROFILE, AWS_ENDPOINT_URL and others."""
    from botocore.exceptions import ClientError

    place = urlsplit(url)
    try:
        found = _s3().get_object(Bucket=place.netloc, Key=unquote(place.path.lstrip("/")), **_range(start))
    except ClientError as error:
        if not start or error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") != BEYOND:
            raise
        yield Answer(start, None, iter(()))
        return
    with closing(found["Body"]) as body:
        first = _first(found.get("ContentRange"))
        yield Answer(first, first + int(found["ContentLength"]), body.iter_chunks(PIECE))


def _s3() -> Any:
    """A client of S3; without credentials one of public buckets. Servers other than AWS have their buckets in paths."""
    import boto3
    from botocore import UNSIGNED
    from botocore.config import Config

    session = boto3.session.Session()
    config = Config(connect_timeout=PATIENCE, read_timeout=PATIENCE)
    if session.get_credentials() is None:
        config = config.merge(Config(signature_version=UNSIGNED))
    client = session.client("s3", config=config)
    if urlsplit(client.meta.endpoint_url).netloc.endswith((".amazonaws.com", ".amazonaws.com.cn")):
        return client
    return session.client("s3", config=config.merge(Config(s3={"addressing_style": "path"})))


def _range(start: int) -> dict[str, str]:
    return {"Range": f"bytes={start}-"} if start else {}


def _first(content_range: str | None) -> int:
    """The first byte's place, of a text such as bytes 100-199/200."""
    return int(content_range.removeprefix("bytes ").partition("-")[0]) if content_range else 0


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _reason(error: Exception, url: str, headers: Mapping[str, str], part: Path, path: Path) -> str:
    """Why a download failed and what to do, without what is secret in its url and headers."""
    shown = public_url(url)
    reason = " ".join(str(error).split()) or type(error).__name__
    told = {url: shown, _request(url): _request(shown)} | dict.fromkeys(headers.values(), "…")
    for secret, instead in told.items():
        reason = reason.replace(secret, instead)
    advice = f"try again, which goes on after {_size(part):,} bytes" if _size(part) else "try again"
    return f"{shown} could not be fetched: {reason}; {advice}, or put {path.name} into {path.parent} yourself"


def _request(url: str) -> str:
    """The path and query of a url, which errors may hold without its host."""
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}" if parts.query else parts.path
