"""Texts that are numbers: how a table writes its decimals and thousands, and the values."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import polars as pl
from atelier_store.spec import TableFormat

from atelier_trial.data.errors import DataError

SPACES = " \u00a0\u202f\u2009"
"""Spaces that thousands are grouped by: plain, without a break, thin."""

LIKE_A_NUMBER = rf"^[+-]?[\d.,][\d.,'\u2019{SPACES}]*(?:[eE][+-]?\d+)?$"

SAMPLE = 1000
"""Distinct texts of a column that are looked at first."""

LOOKED_AT = 100_000
"""Cells of a column, in which these texts are looked for."""

MOSTLY = 0.9
"""The share of a column's cells that have to be numbers for it to be one with some faults, rather than of words."""


class Form(NamedTuple):
    """How numbers are written. thousands is empty if they are not grouped."""

    decimal: str
    thousands: str

    @property
    def group(self) -> str:
        """A regular expression of what stands between groups of thousands."""
        return {" ": f"[{SPACES}]", "'": "['\u2019]"}.get(self.thousands, re.escape(self.thousands))

    @property
    def pattern(self) -> str:
        """A regular expression of the whole text of a number."""
        whole, decimal = r"\d+", re.escape(self.decimal)
        if self.thousands:
            whole = rf"(?:\d+|\d{{1,3}}(?:{self.group}\d{{3}})+)"
        return rf"^[+-]?(?:{whole}(?:{decimal}\d*)?|{decimal}\d+)(?:[eE][+-]?\d+)?$"


PLAIN = Form(".", "")
PLAIN_NUMBER = re.compile(PLAIN.pattern)
FORMS = (PLAIN, *(Form(".", mark) for mark in ",' "), Form(",", ""), *(Form(",", mark) for mark in ".' "))


def values(texts: pl.Series, form: Form) -> pl.Series:
    """The numbers, Float64; null where there is a gap or no number. May be infinite."""
    if form == PLAIN:
        return texts.cast(pl.Float64, strict=False).fill_nan(None)
    are_numbers = texts.str.contains(form.pattern)
    plain = texts.set((~are_numbers).fill_null(value=False), None)
    if form.thousands:
        plain = plain.str.replace_all(form.group, "")
    if form.decimal != ".":
        plain = plain.str.replace(form.decimal, ".", literal=True)
    return plain.cast(pl.Float64, strict=False)


def find(columns: Iterable[pl.Series], declared: TableFormat, where: str) -> Form:
    """How the numbers in these texts are written: as declared, or as most of the columns can be read.

    DataError if they may be read in two ways.
    """
    forms = [form for form in FORMS if _is_declared(form, declared)]
    if len(forms) == 1:
        return forms[0]
    samples = [sample for texts in columns if (sample := _sample(texts)) is not None]
    readable = [sample for sample in samples if any(_reads(form, sample) for form in forms)]
    if all(_reads(forms[0], sample) for sample in readable):
        return forms[0]
    read = {form: sum(_reads(form, sample) for sample in readable) for form in forms}
    best = [form for form in forms if read[form] == max(read.values())]
    if {form.decimal for form in best} == {".", ","}:
        raise DataError([_ambiguous(best, readable, where)])
    return best[0]


def _is_declared(form: Form, declared: TableFormat) -> bool:
    thousands = {"space": " "}.get(declared.thousands or "", declared.thousands)
    return declared.decimal in (None, form.decimal) and thousands in (None, form.thousands)


def _sample(texts: pl.Series) -> pl.Series | None:
    """Distinct texts of a column that is of numbers, however they are written; None of another."""
    distinct = texts.drop_nulls().head(LOOKED_AT).unique(maintain_order=True).head(SAMPLE)
    alike = distinct.filter(distinct.str.contains(LIKE_A_NUMBER))
    return alike if len(alike) and len(alike) >= MOSTLY * len(distinct) else None


def _reads(form: Form, sample: pl.Series) -> bool:
    return values(sample, form).null_count() == 0


def _ambiguous(forms: Sequence[Form], samples: Sequence[pl.Series], where: str) -> str:
    name, text = next(
        (sample.name, text) for sample in samples for text in sample.to_list() if not re.fullmatch(PLAIN.pattern, text)
    )
    one, other = (next(form for form in forms if form.decimal == mark) for mark in ".,")
    both = " or ".join(f"{values(pl.Series([text]), form).item():.10g}" for form in (one, other))
    return (
        f"{where}, column {name!r}: {text!r} may be {both}; write trainer.data.table.decimal, '.' or ',' "
        "(and thousands, if they are grouped)"
    )
