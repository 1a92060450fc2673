"""`current.json`: which version of a model is served, and how that changes. The owner of the model's lease writes it.

A move is safe to kill at any write. The history with the move's line is written first, under a name of its own; then
the pointer is replaced by a rename, and then the history. What a killed move left is finished or dropped by the next
owner, so that every change of the pointer has the line that was written for it.
"""

from __future__ import annotations

import contextlib
import hashlib
from dataclasses import dataclass

from atelier_store import history, names
from atelier_store.files import fsync_folder, write_bytes
from atelier_store.layout import ModelPaths, VersionPaths
from atelier_store.lease import Lease
from atelier_store.records import Current, HistoryLine, Manifest, Promotion, TornRecord


@dataclass(frozen=True)
class Version:
    """A version with its manifest, and the manifest's sha256."""

    files: VersionPaths
    manifest: Manifest
    digest: str

    @property
    def name(self) -> str:
        return self.files.version


def served(paths: ModelPaths) -> Version | None:
    """What the pointer names; None if there is no pointer, or none that a server could follow. OSError, TornRecord."""
    current = Current.read_if_there(paths.current)
    if current is None or current.model != paths.name or not names.VERSION.accepts(current.version):
        return None
    found = read_version(paths.version(current.version))
    return found if found is not None and found.digest == current.manifest_sha256 else None


def read_version(files: VersionPaths) -> Version | None:
    """The version, if its manifest is whole and names it. OSError."""
    try:
        content = files.manifest.read_bytes()
        manifest = Manifest.parse(content, files.manifest)
    except (FileNotFoundError, TornRecord):
        return None
    digest = hashlib.sha256(content).hexdigest()
    return Version(files, manifest, digest) if digest.startswith(files.version) else None


def lines(paths: ModelPaths) -> list[HistoryLine]:
    """Every change of the pointer, oldest first; that of a promotion that was killed too early is made up for."""
    return history.whole(_content(paths))


def recover(paths: ModelPaths) -> None:
    """Finish, or drop, what a killed move left."""
    try:
        content = paths.next_history.read_bytes()
    except FileNotFoundError:
        return
    current = Current.read_if_whole(paths.current)
    last = history.whole(content)[-1:]
    goes_on = content.startswith(paths.history.read_bytes() if paths.history.exists() else b"")
    if current is not None and last and last[0].version == current.version and goes_on:
        paths.next_history.replace(paths.history)
    else:
        paths.next_history.unlink()
    fsync_folder(paths.folder)


def move(paths: ModelPaths, line: HistoryLine, digest: str, lease: Lease) -> bool:
    """Point at the line's version, whose manifest has this sha256; false if the pointer is there already.

    A damaged pointer is replaced. Raises LeaseLost or OSError.
    """
    lease.check()
    before = Current.read_if_whole(paths.current)
    after = Current(model=paths.name, version=line.version, manifest_sha256=digest, promoted_at=line.promoted_at)
    is_new = before is None or before.model_copy(update={"promoted_at": after.promoted_at}) != after
    content = history.with_line(_content(paths), line)
    has_lines = not paths.history.exists() or paths.history.read_bytes() != content
    if has_lines:
        write_bytes(paths.next_history, content)  # first: a full disk is noticed while nothing is done
    try:
        lease.check()
        if is_new:
            after.write(paths.current)
    except OSError:
        with contextlib.suppress(OSError):
            recover(paths)
        raise
    if has_lines:
        paths.next_history.replace(paths.history)
        fsync_folder(paths.folder)
    return is_new


def _content(paths: ModelPaths) -> bytes:
    """The history, with the line of a promotion that an older release was killed in."""
    content = paths.history.read_bytes() if paths.history.exists() else b""
    current = Current.read_if_whole(paths.current)
    if current is None or not names.VERSION.accepts(current.version):
        return content
    promotion = Promotion.read_if_whole(paths.version(current.version).promotion)
    return content if promotion is None else history.with_line(content, history.line_of(promotion))
