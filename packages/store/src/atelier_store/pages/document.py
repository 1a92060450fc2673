"""A page as one document, with its script and style in it: it is there whole, or not at all.

A browser gives up the requests that are under way when the machine's network changes: a cable, a VPN, a pod that
starts. It does not repeat those of modules, so of a page of many files a part would come, and say nothing. What the
document's script asks for then, it asks for again. A policy by hashes lets no other script and no other style in.
"""

from __future__ import annotations

import base64
import hashlib
from html import escape
from importlib import resources
from pathlib import Path
from typing import NamedTuple

from atelier_store.pages import joined

SHARED = Path(str(resources.files("atelier_store.pages"))) / "shared"
SUFFIXES = (".css", ".js", ".svg")

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="icon" href="data:image/svg+xml;base64,{icon}">
<style>{style}</style>
</head>
<body>
<header class="top">
  <img src="data:image/svg+xml;base64,{icon}" alt="" width="40" height="40">
  <div>
    <h1 id="name" tabindex="-1">{title}</h1>
    <p id="state" class="quiet" role="status">{state}</p>
  </div>
  {nav}
</header>
<p id="notice" class="notice wrong" role="alert" hidden></p>
{content}
<script>{script}</script>
</body>
</html>
"""
META = '<meta charset="utf-8">'
"""Where a browser may be told more of the whole page, as by its own policy or its base."""


class Document(NamedTuple):
    """policy lets in what html holds, and nothing else; who sends it says what it may ask, and its base."""

    html: str
    policy: str

    def with_meta(self, element: str) -> str:
        """The page with this element in its head, before any that it is for."""
        return self.html.replace(META, f"{META}\n{element}", 1)


def files(folder: Path) -> dict[str, str]:
    """The text of every file that pages share by name, and of those in the page's own folder. OSError."""
    paths = (path for place in (SHARED, folder) for path in sorted(place.iterdir()) if path.suffix in SUFFIXES)
    return {path.name: path.read_text(encoding="utf-8") for path in paths}


def document(folder: Path, entry: str, *, title: str, state: str, nav: str, content: str) -> Document:
    """The page whose script is the module of this name, from the folder of its own files.

    nav and content are HTML: what stands in its head, and below that until the script runs. OSError.
    """
    page = files(folder)
    style = "".join(joined.lean(text) for name, text in page.items() if name.endswith(".css"))
    script = joined.script(page, entry)
    html = PAGE.format(
        title=escape(title),
        state=escape(state),
        icon=base64.b64encode(page["icon.svg"].encode()).decode(),
        style=style,
        nav=nav,
        content=content,
        script=script,
    )
    policy = f"default-src 'none'; script-src {_hash(script)}; style-src {_hash(style)}; img-src data:"
    return Document(html, policy)


def _hash(content: str) -> str:
    """A source of a policy: content that is in the page itself."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"
