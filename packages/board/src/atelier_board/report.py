"""A search, or a comparison, as one file, which opens from a disk and asks nobody for anything.

It is the board's page with what the board would have answered, and is read and printed without a script, too. Of the
best trials everything is there but their logs, which may name what is not for everybody who gets the file.
"""

from __future__ import annotations

import base64
import gzip
import json
from typing import Any
from urllib.parse import quote

from atelier_store.files import write_text
from atelier_store.in_words import counted
from atelier_store.layout import ExperimentPaths, Store

from atelier_board import comparison_view, plain, search_view, trial_view
from atelier_board.document import document
from atelier_board.looks import Looks

POLICY = '<meta http-equiv="Content-Security-Policy" content="{}; base-uri \'none\'">'
"""In the page itself: nobody sends a file with one."""

TRIALS = 30
"""Trials that have a page of their own: the best."""


def leave(paths: ExperimentPaths) -> None:
    """Write the report of a search beside its leaderboard, whole or not at all. OSError."""
    write_text(paths.report, of_search(paths.store, paths.folder.name))


def of_search(store: Store, name: str) -> str:
    """The report of the search of this name, as HTML."""
    looks = Looks(store)
    look, others = looks.of(name), looks.all()
    assert look is not None
    address = f"api/searches/{_part(look.name)}"
    told = search_view.whole(look) | {"has_report": False}  # it is the report
    answers = {address: told}
    for trial in search_view.best(look, TRIALS):
        found = trial_view.whole(store, look, trial, others)
        assert found is not None
        answers[f"{address}/trials/{_part(trial)}"] = found | {"log": "", "messages": ""}
    state = f"{told['state']}; {counted(told['trials'], 'trial')}; last active {told['last_active']}"
    return file(look.name, state, plain.search(look), f"#/s/{_part(look.name)}", answers)


def of_comparison(store: Store, a: str, b: str) -> str:
    """What differs between two trials or two searches, as HTML. InvalidInput if they are not there."""
    told = comparison_view.whole(store, Looks(store), a, b)
    query = comparison_view.query(a, b)
    differences = told["differences"]
    state = counted(len(differences), "difference") if differences else "nothing differs"
    shown = plain.differences(a, b, differences)
    return file(f"{a} and {b}", state, shown, f"#/compare?{query}", {f"api/compare?{query}": told})


def file(title: str, state: str, plain: str, home: str, answers: dict[str, Any]) -> str:
    """A page with these answers by address, which begins at home; plain is its content until a script runs."""
    content = json.dumps({"home": home, "answers": answers}, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    packed = gzip.compress(content.encode(errors="replace"), mtime=0)
    page = document("report", title, state, plain, base64.b64encode(packed).decode())
    return page.with_meta(POLICY.format(page.policy))


def _part(name: str) -> str:
    """A part of an address, as the page's encodeURIComponent writes it."""
    return quote(name, safe="!'()*")
