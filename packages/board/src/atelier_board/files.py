"""The page's own files, and those that it shares with the page of a served model."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

OWN = Path(str(resources.files("atelier_board"))) / "page"
SHARED = ("charts.js", "elements.js", "icon.svg", "style.css")
TYPES = {".css": "text/css", ".html": "text/html", ".js": "text/javascript", ".svg": "image/svg+xml"}


def load() -> dict[str, bytes]:
    """Every file of the page by name. FileNotFoundError."""
    of_server = OWN.parents[4] / "images" / "server" / "src" / "atelier_server" / "web" / "page"
    shared = of_server if of_server.is_dir() else OWN  # a checkout has them there, a package beside its own
    paths = [*(path for path in OWN.iterdir() if path.suffix in TYPES), *(shared / name for name in SHARED)]
    return {path.name: path.read_bytes() for path in paths}
