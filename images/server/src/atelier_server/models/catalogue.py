"""Every promoted model and version of the store: what is asked for is loaded, verified, and kept while there is room."""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from typing import Any

from atelier_store.layout import ModelPaths, Store
from atelier_store.records import TornRecord

from atelier_server.metrics.counters import Metrics
from atelier_server.models import follower, model, names
from atelier_server.models.follower import Follower
from atelier_server.models.model import BadBundle, Model
from atelier_server.web.problems import Problem, no_model

MOST_NAMED = 20
"""Models named in an answer about one that is not there."""

log = logging.getLogger(__name__)


class Catalogue:
    """The model that the server was started for, always in memory, and all others, the least recently used of which go when room is short.

    What is asked for without a version is what the model's pointer names; of the others it is looked at again after every seconds.
    """

    def __init__(
        self, store: Store, follower: Follower, metrics: Metrics, *, room: int, every: float, threads: int | None
    ) -> None:
        self.follower = follower
        self._store, self._metrics, self._room, self._every, self._threads = store, metrics, room, every, threads
        self._kept: OrderedDict[tuple[str, str], Model] = OrderedDict()
        self._current: dict[str, tuple[str, float]] = {}
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        """The model that the server was started for, promoted or not."""
        return self.follower.name

    def served(self, **members: Any) -> Model:
        """What the server was started for, at this moment. Problem 503, with these members, if nothing is promoted."""
        reason = self.follower.reason  # read first: a model may come meanwhile, and takes the reason away
        if found := self.follower.model:
            return found
        raise no_model(reason, **members)

    def at_hand(self, name: str, version: str | None) -> Model | None:
        """The model if it is in memory and known to be the one that is asked for; never reads the store."""
        if name == self.name:
            served = self.follower.model
            if served and version in (None, served.version):
                return served
        with self._lock:
            if version is None:
                version, until = self._current.get(name, ("", 0.0))
                if time.monotonic() >= until:
                    return None
            found = self._kept.get((name, version))
            if found:
                self._kept.move_to_end((name, version))
            return found

    def fetch(self, name: str, version: str | None) -> Model:
        """The model, from the store if need be. Problem 404 if it is not there, 503 if it must not or cannot be served."""
        paths = self._paths(name)
        try:
            digest = None
            if version is None:
                version, digest = self._look(paths)
            if found := self.at_hand(name, version):
                return found
            self._check(paths, version)
            loaded = model.load(paths, version, digest, self._threads)
        except (BadBundle, TornRecord, OSError) as error:
            log.error("refused: %s", error)
            raise Problem(
                503, f"{name!r} cannot be served: {error}", name=name, ready=False, headers={"Retry-After": "5"}
            ) from error
        self._keep(loaded)
        return loaded

    def versions(self, name: str) -> list[str]:
        """Every version of the model that the store holds, the current one first."""
        paths = self._paths(name)
        folders = paths.versions.iterdir() if paths.versions.is_dir() else ()
        there = [folder.name for folder in folders if names.VERSION.fullmatch(folder.name)]
        served = self.follower.model
        first = served.version if name == self.name and served else self._current.get(name, ("", 0.0))[0]
        return sorted(there, key=lambda version: (version != first, version))

    def _paths(self, name: str) -> ModelPaths:
        paths = self._store.model(name)
        if names.MODEL.fullmatch(name) and (name == self.name or paths.folder.is_dir()):
            return paths
        models = sorted({self.name, *(paths.name for paths in self._store.models())})
        there = ", ".join(map(repr, models[:MOST_NAMED])) + (", …" if len(models) > MOST_NAMED else "")
        raise Problem(404, f"no model {name!r} here; this server has {there}", name=name, ready=False)

    def _look(self, paths: ModelPaths) -> tuple[str, str]:
        """The version and the manifest's digest that the pointer names."""
        try:
            found = follower.parse(paths, paths.current.read_bytes())
        except FileNotFoundError:
            raise no_model(f"waiting for {paths.current}", name=paths.name, ready=False) from None
        with self._lock:
            self._current[paths.name] = found.version, time.monotonic() + self._every
        return found.version, found.manifest_sha256

    def _check(self, paths: ModelPaths, version: str) -> None:
        if not names.VERSION.fullmatch(version) or not (paths.versions / version).is_dir():
            there = ", ".join(map(repr, self.versions(paths.name)[:MOST_NAMED])) or "none"
            raise Problem(
                404, f"no version {version!r} of {paths.name!r} here; there are: {there}", name=paths.name, ready=False
            )

    def _keep(self, loaded: Model) -> None:
        """Keep it, and let go of others while they are too large together; it stays even if it alone is."""
        with self._lock:
            self._kept[loaded.name, loaded.version] = loaded
            while len(self._kept) > 1 and sum(kept.size for kept in self._kept.values()) > self._room:
                gone, _ = self._kept.popitem(last=False)
                log.info("let go of %s version %s", *gone)
                self._metrics.evictions.inc()
        log.info("loaded %s version %s", loaded.name, loaded.version)
