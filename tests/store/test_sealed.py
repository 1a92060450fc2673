"""A digest of all that stands before it: whatever changes, it is seen; what has none is read as it is."""

import hashlib
import json

import pytest
from atelier_store import sealed

DOCUMENT = '{\n  "a": 1,\n  "b": "\u00e4 \\" }"\n}'
LINE = '{"a":1,"b":"\u00e4 \\" }"}'


def test_a_document_is_json_with_the_digest_of_the_bytes_before_it() -> None:
    written = sealed.document(DOCUMENT).encode()
    before, _, _ = written.partition(b',\n  "sha256"')
    assert json.loads(written) == {**json.loads(DOCUMENT), "sha256": hashlib.sha256(before).hexdigest()}
    assert sealed.is_document(written) and json.loads(sealed.read_document(written)) == json.loads(DOCUMENT)


def test_what_has_no_digest_is_read_as_it_is() -> None:
    assert sealed.read_document(DOCUMENT.encode()) == DOCUMENT.encode()
    assert not sealed.is_document(DOCUMENT.encode())
    (line,) = sealed.read_lines(LINE.encode())
    assert (line.json, line.is_sealed, line.is_altered) == (LINE.encode(), False, False)


@pytest.mark.parametrize("mask", [1, 2, 4, 8, 16, 32, 64, 128, 255])
def test_no_byte_of_a_document_changes_unseen(mask: int) -> None:
    """It is refused, or read as a document without a digest, but then it is no JSON or has one member too many."""
    written = sealed.document(DOCUMENT).encode()
    for at in range(len(written)):
        changed = bytearray(written)
        changed[at] ^= mask
        try:
            members = json.loads(sealed.read_document(bytes(changed)))
        except ValueError:
            continue
        assert len(members) == 3, at


def test_a_line_is_altered_if_anything_before_it_is() -> None:
    content = LINE.encode() + b"\n"
    for _ in range(3):
        content += sealed.line(LINE, content)
    assert [(line.is_sealed, line.is_altered) for line in sealed.read_lines(content)] == [(False, False)] + [
        (True, False)
    ] * 3
    first, second, *rest = content.splitlines(keepends=True)
    swapped = b"".join([second, first, *rest])
    shorter = b"".join([second, *rest])
    for wrong in (swapped, shorter):
        assert all(line.is_altered for line in sealed.read_lines(wrong) if line.is_sealed)
    assert b"".join(line.text for line in sealed.read_lines(content)) == content
