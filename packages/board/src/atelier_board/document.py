"""A page as one document, with its script and style in it: it is there whole, or not at all.

A browser gives up the requests that are under way when the machine's network changes: a cable, a VPN, a pod that
starts. It does not repeat those of modules, so of a page of many files a part would come, and say nothing. What the
document's script asks for then, it asks for again. A policy by hashes lets no other script and no other style in.
"""

from __future__ import annotations

import base64
import hashlib
from html import escape
from typing import NamedTuple

from atelier_board import files, joined

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">{meta}
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
  <nav id="path" aria-label="Where you are"></nav>
</header>
<p id="notice" class="notice wrong" role="alert" hidden></p>
<main id="view">{content}</main>{answers}
<script>{script}</script>
</body>
</html>
"""
META = '\n<meta http-equiv="Content-Security-Policy" content="{}">'
ANSWERS = '\n<script id="answers" type="application/gzip">{}</script>'


class Document(NamedTuple):
    """policy lets in what html holds, and nothing else."""

    html: str
    policy: str


def document(entry: str, title: str, state: str, content: str, answers: str | None = None) -> Document:
    """The page whose script is the module of this name, with content until that runs.

    answers are those of a file, in base64: nobody sends it with a policy, so it has its own in it.
    """
    page = files.load()
    style, script = (page["style.css"] + page["board.css"]).decode(), joined.script(page, entry)
    policy = f"default-src 'none'; script-src {_hash(script)}; style-src {_hash(style)}; img-src data:; base-uri 'none'"
    html = PAGE.format(
        meta="" if answers is None else META.format(policy),
        title=escape(title),
        state=escape(state),
        icon=base64.b64encode(page["icon.svg"]).decode(),
        style=style,
        content=content,
        answers="" if answers is None else ANSWERS.format(answers),
        script=script,
    )
    return Document(html, policy)


def _hash(content: str) -> str:
    """A source of a policy: content that is in the page itself."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"
