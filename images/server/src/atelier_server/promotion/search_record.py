"""The state of a search as the commands record it: models/<model>/search.json."""

from __future__ import annotations

import logging

from atelier_store.clock import now
from atelier_store.layout import ModelPaths
from atelier_store.records import KatibPick, Search, SearchState

log = logging.getLogger(__name__)


def experiment(paths: ModelPaths) -> str | None:
    """The search that the record is about, if there is one."""
    search = Search.read_if_whole(paths.search)
    return search.experiment if search else None


def write(
    paths: ModelPaths,
    experiment: str,
    state: SearchState,
    reason: str | None = None,
    katib: KatibPick | None = None,
) -> None:
    """Write the record. Only metrics read it, so a store that cannot be written to is a warning."""
    search = Search(model=paths.name, experiment=experiment, state=state, reason=reason, katib=katib, updated_at=now())
    try:
        search.write(paths.search)
    except OSError as error:
        log.warning("cannot write %s: %s", paths.search, error.strerror)
