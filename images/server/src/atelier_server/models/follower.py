"""Follows models/<model>/current.json and keeps the version that it names loaded."""

from __future__ import annotations

import logging
import math
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from atelier_store.errors import InvalidInput
from atelier_store.layout import ModelPaths
from atelier_store.records import Current, Decision, TornRecord

from atelier_server.models import model
from atelier_server.models.errors import BadBundle, NothingPromoted, Unsigned
from atelier_server.models.model import Model

LONGEST_WAIT = 30.0
"""Seconds between two attempts at a version that was refused."""

LEFT = ("worse", "not_comparable", "waiting")
"""Outcomes of a promotion that leave the winner beside the served version."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Snapshot:
    """The pointer file as read once. error says why there is no content.

    The content decides; the identity distinguishes a file that was replaced by one with the same content.
    """

    content: bytes | None = None
    identity: tuple[int, int] | None = None
    error: str | None = None


class Follower:
    """Reads the pointer at a fixed interval, in a thread of its own; what it serves is always whole and verified.

    The file is opened at every read: on NFS only an open asks the server, cached attributes may be a minute old.
    A version that cannot be served is refused and tried again, less and less often; the one before it stays. on_refusal
    is called for each refusal, on_swap for each version that replaces another.

    With signed_by, a file with public keys, a version that none of them has signed is refused as well.

    search_report is the report of the search that the served version is of; None while there is none.

    reason says why the last read gave no version to serve, and is None if it did. loaded_at (seconds since 1970) and
    load_seconds belong to the served version. held gives a version that is in memory already.
    """

    def __init__(
        self,
        paths: ModelPaths,
        every: float,
        threads: int | None = None,
        signed_by: Path | None = None,
        *,
        on_swap: Callable[[], None],
        on_refusal: Callable[[], None],
    ) -> None:
        self.name = paths.name
        self.reason: str | None = "the first look at the store is not over"
        self.loaded_at, self.load_seconds = 0.0, 0.0
        self.search_report: Path | None = None
        self.held: Callable[[str, str], Model | None] = lambda *_: None
        self._paths, self._every, self._threads, self._signed_by = paths, every, threads, signed_by
        self._on_swap, self._on_refusal = on_swap, on_refusal
        self._model: Model | None = None
        self._failed, self._is_unsigned = False, False
        self._last: Snapshot | None = None
        self._decision: Decision | None = None
        self._last_decision: Snapshot | None = None
        self._wait, self._try_again_at = every, 0.0
        self._first_read, self._stopped = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._follow, name="pointer", daemon=True)

    @property
    def model(self) -> Model | None:
        """What to serve now. Take it once per request."""
        return self._model

    def served(self) -> Model:
        """What to serve now. Raises NothingPromoted if there is no model yet."""
        reason = self.reason  # read first: a model that arrives meanwhile resets it
        if self._model:
            return self._model
        if waiting := self.waiting:
            reason = f"version {waiting.version} waits for a person: {waiting.reason}"
        raise NothingPromoted(self.name, reason)

    @property
    def refused(self) -> str | None:
        """Why the version that the pointer names is not served; None if it is, or if there is none yet."""
        return self.reason if self._failed else None

    @property
    def lacks_signature(self) -> bool:
        """Whether nothing is served because the version that the pointer names has no signature that is trusted."""
        return self._is_unsigned and self._model is None

    @property
    def waiting(self) -> Decision | None:
        """The last winner of a search, if it became a version that was refused or waits."""
        decision, served = self._decision, self._model.version if self._model else None
        is_left = decision is not None and decision.outcome in LEFT and decision.version != served
        return decision if is_left else None

    def start(self, patience: float = 30.0) -> None:
        """Begin to follow; returns after the first read, or after patience seconds."""
        self._thread.start()
        self._first_read.wait(patience)

    def stop(self) -> None:
        """End the thread, without waiting for a load in progress."""
        self._stopped.set()

    def _follow(self) -> None:
        while not self._stopped.is_set():
            self._read_decision()
            self._poll()
            self.search_report = self._find_report()
            self._first_read.set()
            self._stopped.wait(self._every)

    def _read_decision(self) -> None:
        """Keep what the policy made of the last winner; nobody is served by it, so what cannot be read is left out."""
        snapshot = _read(self._paths.decision)
        if snapshot == self._last_decision:
            return
        self._last_decision = snapshot
        try:
            self._decision = (
                None if snapshot.content is None else Decision.parse(snapshot.content, self._paths.decision)
            )
        except TornRecord as error:
            self._decision = None
            log.warning("%s", error)

    def _find_report(self) -> Path | None:
        """Asked here, not at a request: a promotion leaves it after the pointer has moved, and a store may be slow."""
        promotion = self._model.promotion if self._model else None
        try:
            path = self._paths.store.experiment(promotion.experiment).report if promotion else None
            return path if path and path.is_file() else None
        except (InvalidInput, OSError):  # nobody is served by it
            return None

    def _poll(self) -> None:
        snapshot = _read(self._paths.current)
        is_same = snapshot == self._last
        if is_same and time.monotonic() < self._try_again_at:
            return
        self._wait = min(2 * self._wait, LONGEST_WAIT) if is_same else self._every
        self._last, self._try_again_at = snapshot, math.inf
        try:
            self.reason = self._serve(snapshot)
            self._failed = self._is_unsigned = False
        except Exception as error:  # whatever is wrong with a new version, the service goes on
            self._refuse(error)

    def _serve(self, snapshot: Snapshot) -> str | None:
        """Serve the version that the pointer names; the result says what is missing, if there is none yet.

        Raises whatever is wrong with it.
        """
        if snapshot.error:
            raise OSError(snapshot.error)
        if snapshot.content is None:
            return self._wait_for_first()
        pointer = parse(self._paths, snapshot.content)
        if self._model and self._model.version == pointer.version:
            return None
        started = time.monotonic()
        loaded = self.held(self.name, pointer.version)
        if loaded is None or loaded.manifest_sha256 != pointer.manifest_sha256:
            loaded = model.load(self._paths, pointer.version, pointer.manifest_sha256, self._threads, self._signed_by)
            log.info("loaded %s version %s", self.name, pointer.version)
        if self._model:
            self._on_swap()
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
        self.reason, self._failed, self._is_unsigned = str(error), True, isinstance(error, Unsigned)
        self._try_again_at = time.monotonic() + self._wait
        self._on_refusal()
        instead = f"version {self._model.version} stays" if self._model else "no version is served"
        is_expected = isinstance(error, (ValueError, OSError))
        log.error("refused: %s; %s", error, instead, exc_info=None if is_expected else error)


def _read(path: Path) -> Snapshot:
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            return Snapshot(file.read(), (status.st_ino, status.st_mtime_ns))
    except FileNotFoundError:
        return Snapshot()
    except OSError as error:
        return Snapshot(error=f"{path}: cannot be read: {error.strerror}")


def parse(paths: ModelPaths, content: bytes) -> Current:
    """The pointer in current.json. Raises TornRecord if it is not whole, BadBundle if it names a wrong version."""
    pointer = Current.parse(content, paths.current)
    if pointer.model != paths.name or pointer.version != pointer.manifest_sha256[:12]:
        raise BadBundle(
            paths.current, [f"names version {pointer.version!r} of {pointer.model!r}, which cannot be here"]
        )
    return pointer
