"""Promotions of made-up searches, whose networks are none: made-up answers stand in for theirs."""

from __future__ import annotations

import numpy as np
from atelier_store import bundle
from atelier_store.answers import Answered
from atelier_store.layout import Store
from atelier_store.promotion import Promoted, Promoter

ROWS = 90


def promoted(store: Store, search: str, trial: str = "") -> Promoted:
    """The best of a search, or a trial of it, which is right in every second of 90 rows of the class 0."""
    answers = Answered(np.eye(10)[[0, 1] * (ROWS // 2)], np.zeros(ROWS, np.int64))
    promoter = Promoter(store.model("digits"), bundle.problems, lambda *_: answers, "tests")
    return promoter.trial(search, trial) if trial else promoter.best(search, "always")
