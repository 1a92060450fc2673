"""The state of a search as the commands record it: models/<model>/search.json."""

from __future__ import annotations

import logging
from typing import Literal

from atelier_store.clock import now
from atelier_store.layout import ModelPaths
from atelier_store.records import KatibPick, Search

log = logging.getLogger(__name__)


def write(
    paths: ModelPaths,
    experiment: str,
    state: Literal["running", "promoted", "failed"],
    reason: str | None = None,
    katib: KatibPick | None = None,
) -> None:
    """Write the record. Only metrics read it, so a store that cannot be written to is a warning."""
    search = Search(model=paths.name, experiment=experiment, state=state, reason=reason, katib=katib, updated_at=now())
    try:
        search.write(paths.search)
    except OSError as error:
        log.warning("cannot write %s: %s", paths.search, error.strerror)
