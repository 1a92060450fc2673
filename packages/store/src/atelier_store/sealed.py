"""JSON objects whose last member, `sha256`, is the digest of every byte before it: no change of a file goes unseen.

A document is a file of its own. A line is one of many, and its digest is over everything before it in its file. What
was written before there were digests has none, and is read as it is.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

_DIGEST = rb"(?P<digest>[0-9a-f]{64})"
_DOCUMENT = re.compile(rb'(?P<start>\{.*),\n  "sha256": "' + _DIGEST + rb'"\n\}\n', re.DOTALL)
_LINE = re.compile(rb'(?P<start>\{.*),"sha256":"' + _DIGEST + rb'"\}')


class Altered(ValueError):
    """What was written is not what is read."""

    problem = "its sha256 is not that of its content: it is not as it was written"

    def __init__(self, path: Path | None = None) -> None:
        super().__init__(f"{path}: {self.problem}" if path else self.problem)


class Line(NamedTuple):
    """A line of a file, with its end; the object in it; whether it has a digest, and whether of something else."""

    text: bytes
    json: bytes
    is_sealed: bool
    is_altered: bool


def document(json: str) -> str:
    """The content of a file: an object as pydantic writes it with two spaces of indentation."""
    start = json.removesuffix("\n}")
    return f'{start},\n  "sha256": "{hashlib.sha256(start.encode()).hexdigest()}"\n}}\n'


def line(json: str, before: bytes) -> bytes:
    """A line with its end, to be added to what the file holds: an object as pydantic writes it without indentation."""
    start = json.removesuffix("}").encode()
    return start + b',"sha256":"' + hashlib.sha256(before + start).hexdigest().encode() + b'"}\n'


def is_document(content: bytes) -> bool:
    """Whether a file has a digest."""
    return _DOCUMENT.fullmatch(content) is not None


def read_document(content: bytes) -> bytes:
    """The object in a file, without its digest. Raises Altered."""
    found = _DOCUMENT.fullmatch(content)
    if found is None:
        return content
    if hashlib.sha256(found["start"]).hexdigest().encode() != found["digest"]:
        raise Altered
    return found["start"] + b"\n}\n"


def read_lines(content: bytes) -> Iterator[Line]:
    """The lines of a file."""
    before = hashlib.sha256()
    for text in content.splitlines(keepends=True):
        found = _LINE.fullmatch(text.rstrip(b"\n"))
        if found is None:
            yield Line(text, text, is_sealed=False, is_altered=False)
        else:
            whole = before.copy()
            whole.update(found["start"])
            altered = whole.hexdigest().encode() != found["digest"]
            yield Line(text, found["start"] + b"}", is_sealed=True, is_altered=altered)
        before.update(text)
