"""The board's page, and a report: the same views, of which one asks a board and the other holds what one answered."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from atelier_store.pages import document as pages

FILES = Path(str(resources.files("atelier_board"))) / "page"
NAV = '<nav id="path" aria-label="Where you are"></nav>'
ANSWERS = '\n<script id="answers" type="application/gzip">{}</script>'


def document(entry: str, title: str, state: str, content: str, answers: str | None = None) -> pages.Document:
    """The page whose script is the module of this name, with content until that runs; answers are those of a file."""
    held = "" if answers is None else ANSWERS.format(answers)
    main = f'<main id="view">{content}</main>{held}'
    return pages.document(FILES, entry, title=title, state=state, nav=NAV, content=main)
