"""Texts that are dates: ISO 8601 and the usual forms that can be read in one way."""

from __future__ import annotations

import re

import polars as pl

from atelier_trial.data.errors import DataError

ISO = "%Y-%m-%d"
DAYS = {
    ISO: r"\d{4}-\d{1,2}-\d{1,2}",
    "%Y/%m/%d": r"\d{4}/\d{1,2}/\d{1,2}",
    "%d.%m.%Y": r"\d{1,2}\.\d{1,2}\.\d{4}",
    "%d/%m/%Y": r"\d{1,2}/\d{1,2}/\d{4}",
    "%m/%d/%Y": r"\d{1,2}/\d{1,2}/\d{4}",
    "%d-%m-%Y": r"\d{1,2}-\d{1,2}-\d{4}",
    "%m-%d-%Y": r"\d{1,2}-\d{1,2}-\d{4}",
    "%d %b %Y": r"\d{1,2} [A-Za-z]{3} \d{4}",
    "%d %B %Y": r"\d{1,2} [A-Za-z]{3,9} \d{4}",
    "%d-%b-%Y": r"\d{1,2}-[A-Za-z]{3}-\d{4}",
    "%b %d, %Y": r"[A-Za-z]{3} \d{1,2}, \d{4}",
    "%B %d, %Y": r"[A-Za-z]{3,9} \d{1,2}, \d{4}",
}
"""Forms of a day, as strftime has them, each with a regular expression of what looks like it."""

TIME = (
    r"(?:(?P<between>[T ])\d{1,2}:\d{2}(?:(?P<seconds>:\d{2})(?P<fraction>\.\d+)?)?"
    r"(?P<half> [AaPp][Mm])?(?P<zone>Z| ?[+-]\d{2}:?\d{2})?)?"
)
LOOKS = {day: re.compile(pattern + TIME, re.ASCII) for day, pattern in DAYS.items()}

MOSTLY = 0.9
"""The share of a column's distinct texts that have to be dates for it to be one of dates, with some faults."""

SAMPLE = 100
"""Texts that are looked at first."""

Form = str
"""How days are written; times, where there are some, are in any of the usual forms."""


def is_date(kind: pl.DataType) -> bool:
    """Whether cells of this type are dates already."""
    return isinstance(kind, pl.Datetime)


def values(cells: pl.Series, form: Form) -> pl.Series:
    """Seconds since 1970 in UTC, Float64; null where there is a gap or no such date."""
    if not is_date(cells.dtype):
        cells = _read(cells, form)
    return cells.dt.epoch("us").cast(pl.Float64) / 1e6


def chosen(texts: pl.Series, where: str) -> Form | None:
    """The form of the dates; None if the texts are no dates. DataError if day and month may be either."""
    found = forms(texts)
    if len(found) > 1 and not _read(texts, found[0]).equals(_read(texts, found[1])):
        text = texts.drop_nulls()[0]
        raise DataError(
            [
                f"{where}, column {texts.name!r}: {text!r} may be day or month first; write dates as 2019-12-31, or "
                f"trainer.data.columns: {{{texts.name}: category}} or drop"
            ]
        )
    return found[0] if found else None


def forms(texts: pl.Series) -> list[Form]:
    """The forms in which most texts can be read, as many in each of them; none if they are no dates."""
    given = texts.drop_nulls()
    sample = given.head(SAMPLE).unique(maintain_order=True).to_list()
    alike = {form: sum(look.fullmatch(text) is not None for text in sample) for form, look in LOOKS.items()}
    possible = [form for form, count in alike.items() if count >= max(MOSTLY * len(sample), 1)]
    distinct = given.unique(maintain_order=True) if possible else given
    unread = {form: _read(distinct, form).null_count() for form in possible}
    return [
        form
        for form, count in unread.items()
        if count == min(unread.values()) and count <= (1 - MOSTLY) * len(distinct)
    ]


def _read(texts: pl.Series, form: Form) -> pl.Series:
    """The dates; null for what cannot be read."""
    found = pl.Series(texts.name, [None] * len(texts), dtype=pl.Datetime("us"))
    tried: set[str] = set()
    while found.null_count() > texts.null_count():
        rest = texts.filter(found.is_null() & texts.is_not_null()).unique(maintain_order=True)
        formats = {full for text in rest.head(SAMPLE) if (full := _format(text, form))} - tried
        if not formats:
            break
        for full in sorted(formats):
            found = found.zip_with(found.is_not_null(), _strptime(texts, full))
        tried |= formats
    return found


def _format(text: str, form: Form) -> str | None:
    """How a whole text is written, as strftime has it; None if that is not in the form."""
    if not (look := LOOKS[form].fullmatch(text)):
        return None
    if not look["between"]:
        return form
    clock = "%I:%M" if look["half"] else "%H:%M"
    seconds = ":%S" if look["seconds"] else ""
    fraction, half = "%.f" if look["fraction"] else "", " %p" if look["half"] else ""
    zone = look["zone"] or ""
    zone = zone if zone in ("", "Z") else " %z" if zone.startswith(" ") else "%z"
    return f"{form}{look['between']}{clock}{seconds}{fraction}{half}{zone}"


def _strptime(texts: pl.Series, full: str) -> pl.Series:
    found = texts.str.strptime(pl.Datetime("us"), full, strict=False)
    return found.dt.replace_time_zone(None) if "%z" in full else found
