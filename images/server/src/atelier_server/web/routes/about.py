"""The page, the served model's card and the metrics: /, /model, /metrics."""

from __future__ import annotations

import html
from importlib import resources
from pathlib import Path
from typing import Any

from atelier_store import stored_page
from atelier_store.pages.document import document
from fastapi import APIRouter, Request
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, Response

from atelier_server.inference.service import Service
from atelier_server.web.openapi import schemas
from atelier_server.web.request import InboundRequest

PAGE = Path(str(resources.files("atelier_server.web"))) / "page"
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}
"""The page is not cached across releases of the server."""

REACHES = "connect-src 'self'; base-uri 'self'; form-action 'none'; frame-ancestors 'self'"
"""What the policy of the page has beside what lets in its own script and style."""

CARD = (
    "The served model's card: its manifest, why it was promoted, and why a later version was refused, if one was. "
    "`waiting` is the last search's winner, with both scores, if it is worse than what is served or waits for a person."
    " `signed_by` is the fingerprint of the key that has signed it, where the server asks for a signature."
    " `search_report` is where the report of its search is for people, relative to this address, if it is there."
    " `baselines` are what the search had to beat: simple models by its objective, on the same validation rows."
)
REPORT = (
    "What was searched, what its trials came to, and how the served model learned; null for a version from before this "
    "was kept."
)

SEARCH_REPORT = "model/report.html"
"""A page that the extractor leaves in the store: the whole search as one file."""

NAV = """<nav id="links" aria-label="The server">
    <a href="docs">API</a>
    <a href="model">Model card</a>
    <a id="search-report" href="model/report.html" hidden>Report of its search</a>
    <a href="v2">Open Inference Protocol</a>
    {links}
  </nav>"""
METRICS_LINK, BOARD_LINK = '<a href="metrics">Metrics</a>', '<a href="{url}">All searches</a>'
"""Links that not every page has."""


def router(service: Service, registry: CollectorRegistry, shows_metrics: bool, board_url: str = "") -> APIRouter:
    """The page, which links to the board if that has an address, the card and, unless on another port, the metrics."""
    routes = APIRouter(tags=["about"])
    links = METRICS_LINK if shows_metrics else ""
    if board_url:
        links += BOARD_LINK.format(url=html.escape(board_url))
    page = document(
        PAGE,
        "page",
        title="Katib NAS Atelier",
        state="Looking for the model…",
        nav=NAV.format(links=links),
        content=PAGE.joinpath("content.html").read_text(encoding="utf-8"),
    )
    headers = HEADERS | {"Content-Security-Policy": f"{page.policy}; {REACHES}"}

    @routes.get("/", include_in_schema=False)
    async def home(request: Request) -> HTMLResponse:
        root = InboundRequest.of(request.scope).root
        # without the last slash, links would lead beside the prefix
        return HTMLResponse(page.with_meta(f'<base href="{root}/">') if root else page.html, headers=headers)

    @routes.get("/model", description=CARD, **schemas.CARD)
    async def card(request: Request) -> dict[str, Any]:
        model = InboundRequest.of(request.scope).model = service.follower.served()
        waiting = service.follower.waiting
        return {
            "model": model.name,
            "version": model.version,
            "refused": service.follower.reason,
            "waiting": waiting and waiting.model_dump(mode="json"),
            "baselines": [score.model_dump() for score in (model.report.baselines if model.report else ())],
            "signed_by": model.signed_by,
            "search_report": SEARCH_REPORT if service.follower.search_report else None,
            "onnx_bytes": model.onnx_bytes,
            "manifest": model.manifest.model_dump(mode="json"),
            "promotion": model.promotion and model.promotion.model_dump(mode="json"),
        }

    @routes.get("/model/report", description=REPORT, **schemas.CARD)
    async def report(request: Request) -> dict[str, Any]:
        model = InboundRequest.of(request.scope).model = service.follower.served()
        return {"version": model.version, "report": model.report and model.report.model_dump(mode="json")}

    @routes.get(f"/{SEARCH_REPORT}", include_in_schema=False)
    def search_report() -> Response:  # in a thread of its own, since it reads the store
        try:
            path = service.follower.search_report
            content = path.read_bytes() if path else None
        except OSError:
            content = None
        if content is None:
            raise HTTPException(404, "the store has no report of this model's search")
        return Response(content, headers=stored_page.HEADERS)

    def metrics() -> Response:  # in a thread of its own, since collectors may read the store
        """Counters in Prometheus' text format."""
        return counters(service, registry)

    if shows_metrics:
        routes.get("/metrics", **schemas.METRICS)(metrics)
    return routes


def counters(service: Service, registry: CollectorRegistry) -> Response:
    """Everything in the registry, in Prometheus' text format, up to date for this worker."""
    service.metrics.flush()
    return Response(generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})
