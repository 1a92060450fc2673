"""The page's own files, and those that it shares with the page of a served model."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

OWN = Path(str(resources.files("atelier_board"))) / "page"
SHARED = ("charts.js", "elements.js", "icon.svg", "network.js", "quality.js", "style.css")
SUFFIXES = (".css", ".js", ".svg")


def load() -> dict[str, bytes]:
    """Every file of the page by name. FileNotFoundError."""
    of_server = Path("images", "server", "src", "atelier_server", "web", "page")  # in a checkout; a package has copies
    shared = next((root / of_server for root in OWN.parents[4:5] if (root / of_server).is_dir()), OWN)
    paths = [*(path for path in OWN.iterdir() if path.suffix in SUFFIXES), *(shared / name for name in SHARED)]
    return {path.name: path.read_bytes() for path in paths}
