"""Which search a release wants to be promoted: that of the profile that was applied last.

Where nothing removes what the profile before had (kubectl apply, Argo CD without prune), its extractor runs on.
"""

from __future__ import annotations

import os
from pathlib import Path

VARIABLE = "ATELIER_CURRENT_SEARCH"
"""Path of a file with the name of the release's present Experiment, which changes when a profile is applied."""


def successor(experiment: str) -> str | None:
    """The search that has taken this one's place; None if none has, or nothing says so."""
    path = os.environ.get(VARIABLE)
    if not path:
        return None
    try:
        present = Path(path).read_text(encoding="utf-8").strip()
    except OSError:
        return None
    return present if present not in ("", experiment) else None
