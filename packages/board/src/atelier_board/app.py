"""The web application: the page, and what it asks for. Every view is a GET; a note is all that a request can change."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import Any

from atelier_store import notes, stored_page
from atelier_store.errors import InvalidInput
from atelier_store.layout import Store
from atelier_store.tokens import Token
from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from atelier_board import audit_view, comparison_view, models_view, search_view, trial_view
from atelier_board.access import HEALTH, Access
from atelier_board.check import Check
from atelier_board.document import document
from atelier_board.looks import Look, Looks

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}

REACHES = "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
"""What the policy of the page has beside what a file's has."""

NO_SCRIPT = (
    '<noscript><p class="notice">This page is drawn by a script, and scripts are off. '
    '<a href="api/searches">The searches</a> as JSON say the same.</p></noscript>'
)

COMPRESSION = 6
"""9, the usual one, takes four times as long for half a hundredth of the bytes of 10,000 trials."""

MOST_BYTES = 64 * 1024
"""Of a note."""

KEPT = 8
"""Answers that stay in memory: those that a few open tabs ask for again and again."""


def create(store: Store, hosts: list[str], token: Token | None = None, cache: Path | None = None) -> Starlette:
    """The board of a store, for requests to one of these hosts: another's page could name this address its own.

    With a token, for whoever sends it. Indexes are kept in cache, or in the store.
    """
    looks, answers, checking = Looks(store, cache), Answers(), Check(store)
    page = document("board", "Searches", "Reading the store…", NO_SCRIPT)
    page_headers = HEADERS | {"Content-Security-Policy": f"{page.policy}; {REACHES}"}

    def health(_: Request) -> Response:
        return Response(b"the board answers\n", media_type="text/plain", headers=HEADERS)

    def home(_: Request) -> Response:
        return Response(page.html, media_type="text/html", headers=page_headers)

    def searches(request: Request) -> Response:
        every = looks.all()
        tag = "searches " + " ".join(f"{look.name}:{look.number}" for look in every)
        return answers.give(request, tag, lambda: [search_view.in_short(look) for look in every])

    def of(request: Request) -> Look:
        name = request.path_params["search"]
        look = looks.of(name)
        if look is None:
            raise HTTPException(404, f"the store has no search {name!r}")
        return look

    def search(request: Request) -> Response:
        look = of(request)
        return answers.give(request, f"search {look.name}:{look.number}", lambda: search_view.whole(look))

    def table(request: Request) -> Response:
        look = of(request)
        attachment = {"Content-Disposition": f'attachment; filename="{look.name}.csv"'}
        return Response(search_view.as_csv(look), media_type="text/csv", headers=HEADERS | attachment)

    def report(request: Request) -> Response:
        look = of(request)
        try:
            content = store.experiment(look.name).report.read_bytes()
        except FileNotFoundError:
            raise HTTPException(404, f"{look.name} has no report: its end, or atelier report, leaves one") from None
        return Response(content, headers=stored_page.HEADERS)

    def trial(request: Request) -> Response:
        look, name = of(request), request.path_params["trial"]
        found = trial_view.whole(store, look, name, looks.all())
        if found is None:
            raise HTTPException(404, f"{look.name} has no trial {name!r}")
        return answers.give(request, None, lambda: found)

    async def note(request: Request) -> Response:
        said = await _json(request)
        try:
            await run_in_threadpool(notes.write, store, request.path_params["key"], said.starred, said.text)
        except InvalidInput as error:
            raise HTTPException(422, "; ".join(error.violations)) from error
        return Response(status_code=204, headers=HEADERS)

    def models(request: Request) -> Response:
        return answers.give(request, None, lambda: models_view.whole(store))

    def audit(request: Request) -> Response:
        return answers.give(request, None, lambda: audit_view.whole(store, looks.all()))

    def check(request: Request) -> Response:
        if "begin" in request.query_params:
            if request.headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
                raise HTTPException(403, "only a page of the board, or a person, begins a check")
            checking.begin()
        return answers.give(request, None, checking.told)

    def compare(request: Request) -> Response:
        missing = [name for name in ("a", "b") if not request.query_params.get(name)]
        if missing:
            raise HTTPException(422, f"{' and '.join(missing)}: missing; name two searches, or two trials")
        try:
            found = comparison_view.whole(store, looks, request.query_params["a"], request.query_params["b"])
        except InvalidInput as error:
            raise HTTPException(422, "; ".join(error.violations)) from error
        return answers.give(request, None, lambda: found)

    guards = [] if token is None else [Middleware(Access, token=token, refuse=_problem)]
    return Starlette(
        routes=[
            Route("/", home),
            Route(HEALTH, health),
            Route("/api/audit", audit),
            Route("/api/audit/check", check),
            Route("/api/compare", compare),
            Route("/api/models", models),
            Route("/api/notes/{key}", note, methods=["PUT"]),
            Route("/api/searches", searches),
            Route("/api/searches/{search}", search),
            Route("/api/searches/{search}/report.html", report),
            Route("/api/searches/{search}/trials.csv", table),
            Route("/api/searches/{search}/trials/{trial}", trial),
        ],
        middleware=[
            Middleware(TrustedHostMiddleware, allowed_hosts=hosts),
            *guards,
            Middleware(GZipMiddleware, compresslevel=COMPRESSION),
        ],
        exception_handlers={HTTPException: _problem, OSError: _unreadable},
    )


class Answers:
    """Answers as JSON with an ETag. Who has one already gets 304, and nothing is written anew for it."""

    def __init__(self) -> None:
        self._process = os.urandom(4).hex()  # numbers of looks begin again in the next one
        self._kept: dict[str, tuple[str, bytes]] = {}

    def give(self, request: Request, tag: str | None, view: Callable[[], Any]) -> Response:
        """The view. tag changes whenever it does; None: its content is the tag."""
        etag, body = self._kept.get(tag or "") or self._made(tag, view)
        headers = HEADERS | {"ETag": etag}
        if request.headers.get("if-none-match") == etag:
            return Response(status_code=304, headers=headers)
        return Response(body, media_type="application/json", headers=headers)

    def _made(self, tag: str | None, view: Callable[[], Any]) -> tuple[str, bytes]:
        body = json.dumps(view(), separators=(",", ":"), allow_nan=False, ensure_ascii=False).encode(errors="replace")
        content = body if tag is None else tag.encode()
        made = f'W/"{self._process}-{hashlib.sha256(content).hexdigest()[:16]}"', body
        if tag is not None:
            self._kept[tag] = made
            for oldest in list(self._kept)[:-KEPT]:
                self._kept.pop(oldest, None)
        return made


class Said(BaseModel):
    """The body of a note."""

    model_config = ConfigDict(extra="forbid", strict=True)

    starred: bool
    text: str


async def _json(request: Request) -> Said:
    """The body. HTTPException unless it is a note, sent as JSON: what a page of another origin may not send."""
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise HTTPException(415, "Content-Type: has to be application/json")
    if int(request.headers.get("content-length") or MOST_BYTES + 1) > MOST_BYTES:
        raise HTTPException(413, f"a note has at most {MOST_BYTES:,} bytes")
    try:
        return Said.model_validate_json(await request.body())
    except ValidationError as error:
        said = "; ".join(f"{'.'.join(map(str, one['loc'])) or 'body'}: {one['msg']}" for one in error.errors())
        raise HTTPException(422, said) from error


def _problem(_: Request, error: Exception) -> Response:
    """RFC 9457."""
    assert isinstance(error, HTTPException)
    body = {"type": "about:blank", "title": HTTPStatus(error.status_code).phrase, "status": error.status_code}
    content = json.dumps(body | {"detail": error.detail}).encode()
    headers = HEADERS | dict(error.headers or {})
    return Response(content, error.status_code, headers, media_type="application/problem+json")


def _unreadable(request: Request, error: Exception) -> Response:
    assert isinstance(error, OSError)
    done = "read" if request.method in ("GET", "HEAD") else "written"
    return _problem(request, HTTPException(503, f"the store cannot be {done}: {error.filename}: {error.strerror}"))
