"""The check of a store: everything hashed again, when somebody asks for it, one at a time."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

from atelier_store.clock import now
from atelier_store.layout import Store

MOST_NAMED = 200
"""Mismatches that are told one by one."""


class Check:
    """The last check of a store in this process, and the one that is under way.

    It hashes in a thread of its own, whoever looks, and keeps what it found until the next one.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._progress: dict[str, Any] = {}
        self._last: dict[str, Any] | None = None

    def begin(self) -> None:
        """Begin one, unless one is under way."""
        with self._lock:
            if self._thread is not None:
                return
            self._progress = {"began_at": now(), "done": 0, "of": 0, "at": ""}
            self._thread = threading.Thread(target=self._run, name="check", daemon=True)
            self._thread.start()

    def told(self) -> dict[str, Any]:
        """under_way: how far it is, None if none is; last: what the last one found, None before the first."""
        with self._lock:
            return {"under_way": dict(self._progress) if self._thread else None, "last": self._last}

    def _run(self) -> None:
        began, began_at = time.monotonic(), self._progress["began_at"]
        try:
            found = self._found()
        except Exception as error:  # what cannot even be listed is told like anything else that is damaged
            found = {"failed": f"{type(error).__name__}: {error}"}
        with self._lock:
            self._last = {"began_at": began_at, "seconds": round(time.monotonic() - began, 1)} | found
            self._thread = None

    def _found(self) -> dict[str, Any]:
        from atelier_store import audit  # with numpy, which a board that is only looked at does without

        folders = audit.folders(self._store)
        self._progress |= {"of": sum(map(len, folders.values()))}
        audited = audit.audit(self._store, self._on)
        return {
            "checked": audited.checked,
            "mismatches": [
                {"path": self._below(one.path), "problem": one.problem} for one in audited.mismatches[:MOST_NAMED]
            ],
            "mismatched": len(audited.mismatches),
            "leftovers": len(audited.leftovers),
            "unprotected": len(audited.unprotected),
        }

    def _on(self, folder: Path) -> None:
        self._progress |= {"done": self._progress["done"] + 1, "at": self._below(folder)}

    def _below(self, path: Path) -> str:
        return path.relative_to(self._store.root).as_posix()
