"""Follows models/<model>/current.json and keeps the version that it names loaded."""

from __future__ import annotations

import logging
import math
import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from atelier_store.layout import ModelPaths
from atelier_store.records import Current, TornRecord
from pydantic import ValidationError

from atelier_server.metrics.counters import Metrics
from atelier_server.models import model
from atelier_server.models.model import BadBundle, Model

LONGEST_WAIT = 30.0
"""Seconds between two tries of a version that was refused."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Seen:
    """The pointer file at one look. Content decides; identity tells a file that was put there anew; error is why there is no content."""

    content: bytes | None = None
    identity: tuple[int, int] | None = None
    error: str | None = None


class Follower:
    """Looks at the pointer at a fixed interval, in a thread of its own; what is served is always whole and verified.

    reason says why the last look gave no version to serve; None if it did.

    The file is opened and read at every look: on NFS only an open asks the server, cached attributes may be a minute old.
    A version that cannot be served is refused, counted and tried again, less and less often; the one before goes on.
    loaded_at (seconds since 1970) and load_seconds are of the version that is served.
    """

    def __init__(self, paths: ModelPaths, metrics: Metrics, every: float, threads: int | None = None) -> None:
        self.name = paths.name
        self.reason: str | None = "the first look at the store is not over"
        self.loaded_at, self.load_seconds = 0.0, 0.0
        self._paths, self._metrics, self._every, self._threads = paths, metrics, every, threads
        self._model: Model | None = None
        self._failed = False
        self._seen: Seen | None = None
        self._wait, self._try_again_at = every, 0.0
        self._looked, self._stopped = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._follow, name="pointer", daemon=True)

    @property
    def model(self) -> Model | None:
        """What to serve now. Take it once per request."""
        return self._model

    @property
    def refused(self) -> str | None:
        """Why what the pointer names is not served; None if it is, or names nothing yet."""
        return self.reason if self._failed else None

    def start(self, patience: float = 30.0) -> None:
        """Begin to follow; returns after the first look, or after patience seconds."""
        self._thread.start()
        self._looked.wait(patience)

    def stop(self) -> None:
        """End the thread; a load under way is not waited for."""
        self._stopped.set()

    def _follow(self) -> None:
        while not self._stopped.is_set():
            self._look()
            self._looked.set()
            self._stopped.wait(self._every)

    def _look(self) -> None:
        seen = _read(self._paths.current)
        if seen == self._seen and time.monotonic() < self._try_again_at:
            return
        self._wait = min(2 * self._wait, LONGEST_WAIT) if seen == self._seen else self._every
        self._seen, self._try_again_at = seen, math.inf
        try:
            self.reason = self._take(seen)
            self._failed = False
        except Exception as error:  # whatever is wrong with a new version, the service goes on
            self._refuse(error)

    def _take(self, seen: Seen) -> str | None:
        """Serve what was seen; the result is what is waited for, if there is nothing yet. Raises whatever is wrong with it."""
        if seen.error:
            raise OSError(seen.error)
        if seen.content is None:
            return self._wait_for_first()
        pointer = parse(self._paths, seen.content)
        if self._model and self._model.version == pointer.version:
            return None
        started = time.monotonic()
        loaded = model.load(self._paths, pointer.version, pointer.manifest_sha256, self._threads)
        if self._model:
            self._metrics.swaps.inc()
        self.loaded_at, self.load_seconds = time.time(), time.monotonic() - started
        self._model = loaded
        log.info("serving %s version %s", self.name, pointer.version)
        return None

    def _wait_for_first(self) -> str:
        if self._model:
            raise OSError(f"{self._paths.current} is gone")
        waiting = f"waiting for {self._paths.current}"
        log.info("no model promoted yet: %s", waiting)
        return waiting

    def _refuse(self, error: Exception) -> None:
        self.reason, self._failed = str(error), True
        self._try_again_at = time.monotonic() + self._wait
        self._metrics.refresh_failures.inc()
        instead = f"version {self._model.version} stays" if self._model else "no version is served"
        expected = isinstance(error, (ValueError, OSError))
        log.error("refused: %s; %s", error, instead, exc_info=None if expected else error)


def _read(path: Path) -> Seen:
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            return Seen(file.read(), (status.st_ino, status.st_mtime_ns))
    except FileNotFoundError:
        return Seen()
    except OSError as error:
        return Seen(error=f"{path}: cannot be read: {error.strerror}")


def parse(paths: ModelPaths, content: bytes) -> Current:
    """The pointer in current.json. TornRecord if it is not whole, BadBundle if it names what cannot be here."""
    try:
        pointer = Current.model_validate_json(content)
    except ValidationError as error:
        raise TornRecord(f"{paths.current}: not a whole pointer: {error.errors()[0]['msg']}") from error
    if pointer.model != paths.name or pointer.version != pointer.manifest_sha256[:12]:
        raise BadBundle(
            f"{paths.current}: names version {pointer.version!r} of {pointer.model!r}, which cannot be here"
        )
    return pointer
