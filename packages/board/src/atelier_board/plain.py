"""Views as they are read without a script.

Of a search: in short, the best value so far as a drawing, and the best trials. Of a comparison: what differs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from itertools import accumulate
from typing import Any

from atelier_store.in_words import counted
from atelier_store.spec import Objective

from atelier_board.looks import Look
from atelier_board.search_view import columns_of, in_short, values_in_time

MOST_ROWS = 50
WIDTH, HEIGHT = 640, 240
LEFT, RIGHT, TOP, BOTTOM = 70, 12, 12, 34


def search(look: Look) -> str:
    """HTML for the page's <main>."""
    short = in_short(look)
    parts = [f'<p class="notice wrong">{escape(look.problem)}</p>'] if look.problem else []
    parts.append(f'<ul class="tiles" aria-label="In short">{"".join(_tiles(short))}</ul>')
    if look.spec is not None:
        parts.append(_section("The best so far", _progress(look, look.spec.experiment.objective)))
    parts.append(_section("The best trials", _table(look)))
    return "".join(parts)


def differences(a: str, b: str, found: Sequence[dict[str, Any]]) -> str:
    """HTML for the page's <main>."""
    if not found:
        return _section("What differs", '<p class="quiet">Nothing.</p>')
    rows = [(one["name"], one["part"], one["change"], one["a"], one["b"]) for one in found]
    return _section("What differs", _scrolled("What differs", ["name", "part", "change", a, b], rows))


def _tiles(short: dict[str, Any]) -> Iterable[str]:
    objective, best = short["objective"], short["best"]
    yield _tile(objective["name"] if objective else "Objective", _words(best) or "none yet", short["best_trial"] or "")
    yield _tile("Trials", _words(short["trials"]), f"of {short['max_trials']:,}" if short["max_trials"] else "")
    yield _tile("Epochs", _words(short["epochs"]), "")
    yield _tile("Training", f"{short['seconds'] / 3600:.3g} h", "of all trials together")


def _tile(title: str, big: str, more: str) -> str:
    quiet = '<span class="quiet">{}</span>'.format
    return f"<li>{quiet(escape(title))}<strong>{escape(big)}</strong>{quiet(escape(more))}</li>"


def _section(title: str, content: str) -> str:
    return f"<section><h2>{escape(title)}</h2>{content}</section>"


def _progress(look: Look, objective: Objective) -> str:
    """The value of each trial in the order of their ends, and a line through the best so far."""
    values = values_in_time(look)
    if not values:
        return '<p class="quiet">No trial has a value yet.</p>'
    best = list(accumulate(values, max if objective.type == "maximize" else min))
    low, high = min(values), max(values)
    across = (WIDTH - LEFT - RIGHT) / max(1, len(values) - 1)
    up = (HEIGHT - TOP - BOTTOM) / ((high - low) or 1)

    def place(index: int, value: float) -> str:
        return f"{LEFT + index * across:.0f},{HEIGHT - BOTTOM - (value - low) * up:.0f}"

    steps = [place(0, best[0])]
    for index in range(1, len(best)):
        if best[index] != best[index - 1] or index == len(best) - 1:
            steps += [place(index, best[index - 1]), place(index, best[index])]
    dots = dict.fromkeys(place(index, value) for index, value in enumerate(values))  # those at one place are one
    trials = f"{counted(len(values), 'trial')} in the order of their ends"
    says = f"{objective.objective_metric_name} of {trials}; best {best[-1]:.6g}"
    bottom = HEIGHT - BOTTOM
    size = f'viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}"'
    return (
        f'<svg class="chart plain" {size} role="img" aria-label="{escape(says)}">'
        f'<line class="axis" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{bottom}" y2="{bottom}"/>'
        f'<text x="{LEFT - 8}" y="{bottom}" text-anchor="end">{low:.4g}</text>'
        f'<text x="{LEFT - 8}" y="{TOP + 8}" text-anchor="end">{high:.4g}</text>'
        f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 8}" text-anchor="end">trials that ended</text>'
        f'<path class="each" d="{"".join(f"M{dot}h.01" for dot in dots)}"/>'
        f'<polyline class="line" points="{" ".join(steps)}"/></svg>'
    )


def _table(look: Look) -> str:
    columns = columns_of(look)
    count = len(columns["trial"])
    if not count:
        return '<p class="quiet">No trial has begun yet.</p>'
    parameters = columns.pop("parameters")
    del columns["metrics"], columns["key"], columns["reason"]
    shown = {name: values[:MOST_ROWS] for name, values in [*columns.items(), *parameters.items()]}
    more = f'<p class="quiet">The first {MOST_ROWS} of {count:,}.</p>' if count > MOST_ROWS else ""
    return _scrolled("Table of trials", shown, zip(*shown.values(), strict=True)) + more


def _scrolled(label: str, heads: Iterable[str], rows: Iterable[Sequence[Any]]) -> str:
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in heads)
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(map(_row, rows))}</tbody></table>"
    return f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(label)}">{table}</div>'


def _row(values: Sequence[Any]) -> str:
    first, *rest = (escape(_words(value)) for value in values)
    return f'<tr><th scope="row">{first}</th>{"".join(f"<td>{value}</td>" for value in rest)}</tr>'


def _words(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.6g}"
    return f"{value:,}" if isinstance(value, int) else str(value)
