"""/docs and /redoc: Swagger UI and ReDoc, offline."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from fastapi import FastAPI
from fastapi.openapi.docs import get_redoc_html, get_swagger_ui_html
from starlette.responses import HTMLResponse
from starlette.staticfiles import StaticFiles

FILES = "/static-offline-docs"
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self' 'unsafe-inline'; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; worker-src blob:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
"""Both pages run inline scripts, and load nothing from elsewhere: ReDoc would fetch its vendor's logo."""


def install(app: FastAPI) -> None:
    """Add both pages, and the files that they load."""
    app.mount(FILES, StaticFiles(packages=[("fastapi_offline", "static")]))

    def render(page: Callable[..., HTMLResponse], **files: str) -> HTMLResponse:
        """The page, with these files by the names of its options; all addresses are relative, for any prefix."""
        response = page(
            openapi_url="openapi.json",
            title=app.title,
            **{name: f"{FILES.lstrip('/')}/{file}" for name, file in files.items()},
        )
        response.headers.update(HEADERS)
        return response

    @app.get("/docs", include_in_schema=False)
    async def swagger_ui() -> HTMLResponse:
        files = {
            "swagger_js_url": "swagger-ui-bundle.js",
            "swagger_css_url": "swagger-ui.css",
            "swagger_favicon_url": "favicon.png",
        }
        return render(get_swagger_ui_html, **files)

    @app.get("/redoc", include_in_schema=False)
    async def redoc() -> HTMLResponse:
        files = {"redoc_js_url": "redoc.standalone.js", "redoc_favicon_url": "favicon.png"}
        return render(partial(get_redoc_html, with_google_fonts=False), **files)
