"""The state of a search as the commands record it: models/<model>/search.json."""

from __future__ import annotations

import logging

from atelier_store.clock import now
from atelier_store.layout import ModelPaths
from atelier_store.records import KatibPick, Search, SearchState

EVERY = 60.0
"""Seconds after which a wait writes the record again, so that its age tells whether anybody waits."""

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
    """Write the record; updated_at is when the search came into this state.

    Only metrics read it, so a store that cannot be written to is a warning.
    """
    try:
        before = Search.read_if_whole(paths.search)
        stays = before and (before.experiment, before.state) == (experiment, state)
        at = before.updated_at if before and stays else now()
        search = Search(model=paths.name, experiment=experiment, state=state, reason=reason, katib=katib, updated_at=at)
        search.write(paths.search)
    except OSError as error:
        log.warning("cannot write %s: %s", paths.search, error.strerror)
