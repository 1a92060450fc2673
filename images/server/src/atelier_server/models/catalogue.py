"""Every promoted model and version of the store: loaded and verified on request, and kept while there is room."""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

from atelier_store import names
from atelier_store.layout import ModelPaths, Store
from atelier_store.records import TornRecord

from atelier_server.models import follower, model
from atelier_server.models.errors import BadBundle, NoSuchModel, NothingPromoted, NotServable
from atelier_server.models.follower import Follower
from atelier_server.models.model import Model

MOST_NAMED = 20
"""Models named in an answer about one that does not exist."""

log = logging.getLogger(__name__)


class Catalogue:
    """The model that the server was started for, always in memory, and others of up to room bytes.

    The least recently used of the others are evicted; on_eviction is called for each. A request without a version gets
    the one that the model's pointer names; the pointers of the others are read again after every seconds.
    """

    def __init__(
        self,
        store: Store,
        follower: Follower,
        *,
        room: int,
        every: float,
        threads: int | None,
        signed_by: Path | None = None,
        on_eviction: Callable[[], None],
    ) -> None:
        self._store, self._follower = store, follower
        self._room, self._every, self._threads, self._on_eviction = room, every, threads, on_eviction
        self._signed_by = signed_by
        self._kept: OrderedDict[tuple[str, str], Model] = OrderedDict()
        self._current: dict[str, tuple[str, float]] = {}
        self._lock = threading.Lock()
        follower.held = self.at_hand

    def at_hand(self, name: str, version: str | None) -> Model | None:
        """The model if it is in memory and known to be the current one of that name; never reads the store."""
        if name == self._follower.name:
            served = self._follower.model
            if served and version in (None, served.version):
                return served
        with self._lock:
            if version is None:
                version, until = self._current.get(name, ("", 0.0))
                if time.monotonic() >= until:
                    return None
            kept = self._kept.get((name, version))
            if kept:
                self._kept.move_to_end((name, version))
            return kept

    def fetch(self, name: str, version: str | None) -> Model:
        """The model, from the store if need be. Raises NoSuchModel, NothingPromoted or NotServable."""
        paths = self._paths(name)
        try:
            digest = None
            if version is None:
                version, digest = self._read_pointer(paths)
            if kept := self.at_hand(name, version):
                return kept
            self._check_version(paths, version)
            loaded = model.load(paths, version, digest, self._threads, self._signed_by)
        except (BadBundle, TornRecord, OSError) as error:
            log.error("refused: %s", error)
            raise NotServable(name, error) from error
        self._keep(loaded)
        return loaded

    def versions(self, name: str) -> list[str]:
        """Every version of the model that the store holds, the current one first. Raises NoSuchModel."""
        paths = self._paths(name)
        folders = paths.versions.iterdir() if paths.versions.is_dir() else ()
        versions = [folder.name for folder in folders if names.VERSION.accepts(folder.name)]
        served = self._follower.model if name == self._follower.name else None
        current = served.version if served else self._current.get(name, ("", 0.0))[0]
        return sorted(versions, key=lambda version: (version != current, version))

    def _paths(self, name: str) -> ModelPaths:
        if names.MODEL.accepts(name):
            paths = self._store.model(name)
            if name == self._follower.name or paths.folder.is_dir():
                return paths
        models = sorted({self._follower.name, *(paths.name for paths in self._store.models())})
        listed = ", ".join(map(repr, models[:MOST_NAMED])) + (", …" if len(models) > MOST_NAMED else "")
        raise NoSuchModel(name, f"no model {name!r} here; this server has {listed}")

    def _read_pointer(self, paths: ModelPaths) -> tuple[str, str]:
        """The version and the manifest's digest that the pointer names."""
        try:
            pointer = follower.parse(paths, paths.current.read_bytes())
        except FileNotFoundError:
            raise NothingPromoted(paths.name, f"waiting for {paths.current}") from None
        with self._lock:
            self._current[paths.name] = pointer.version, time.monotonic() + self._every
        return pointer.version, pointer.manifest_sha256

    def _check_version(self, paths: ModelPaths, version: str) -> None:
        if not names.VERSION.accepts(version) or not (paths.versions / version).is_dir():
            listed = ", ".join(map(repr, self.versions(paths.name)[:MOST_NAMED])) or "none"
            raise NoSuchModel(paths.name, f"no version {version!r} of {paths.name!r} here; there are: {listed}")

    def _keep(self, loaded: Model) -> None:
        """Keep the model, and evict others while they are too large together; it stays even if it alone is."""
        with self._lock:
            self._kept[loaded.name, loaded.version] = loaded
            while len(self._kept) > 1 and sum(kept.size for kept in self._kept.values()) > self._room:
                evicted, _ = self._kept.popitem(last=False)
                log.info("evicted %s version %s", *evicted)
                self._on_eviction()
        log.info("loaded %s version %s", loaded.name, loaded.version)
