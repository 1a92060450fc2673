"""Which search a release wants to be promoted: that of the profile that was applied last.

Where nothing removes what the profile before had (kubectl apply, Argo CD without prune), its extractor runs on.
"""

from __future__ import annotations

import os
from pathlib import Path

VARIABLE = "ATELIER_CURRENT_SEARCH"
"""Path of a file with the name of the release's present Experiment, which changes when a profile is applied."""


def present() -> str | None:
    """The release's present search; None if nothing says so."""
    path = os.environ.get(VARIABLE)
    if not path:
        return None
    try:
        return Path(path).read_text(encoding="utf-8").strip() or None
    except OSError:
        return None


def successor(experiment: str) -> str | None:
    """The search that has taken this one's place; None if none has, or nothing says so."""
    found = present()
    return found if found != experiment else None
