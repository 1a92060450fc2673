"""Notes on trials: what a person says of one, and whether it has a star.

They are in a folder of their own, which is all that who writes them needs the right to. A note is of the trial's key,
so every search that has the trial shows it.
"""

from __future__ import annotations

from pathlib import Path

from atelier_store import names
from atelier_store.clock import now
from atelier_store.errors import InvalidInput
from atelier_store.layout import Store
from atelier_store.records import Note

LONGEST = 10_000
"""Characters."""


def read_all(store: Store) -> dict[str, Note]:
    """The notes of a store, by key; without those that cannot be read, which an audit names."""
    found = (_read(path) for path in store.notes.glob("[!.]*.json"))
    return {note.key: note for note in found if note is not None}


def write(store: Store, key: str, starred: bool, text: str) -> None:
    """Say this of a trial, instead of what was said; nothing at all removes the note. InvalidInput, OSError."""
    violations = []
    if not names.KEY.accepts(key) or not store.trial(key).folder.is_dir():
        violations.append(f"key: the store has no trial {key!r}")
    if len(text) > LONGEST:
        violations.append(f"text: has {len(text):,} characters; at most {LONGEST:,} are kept")
    if violations:
        raise InvalidInput(violations)
    path = store.note(key)
    if starred or text.strip():
        Note(key=key, starred=starred, text=text.strip(), written_at=now()).write(path)
    else:
        path.unlink(missing_ok=True)


def _read(path: Path) -> Note | None:
    try:
        return Note.read_if_whole(path)
    except OSError:
        return None
