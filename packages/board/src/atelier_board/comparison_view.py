"""Two trials or two searches beside each other as the page shows them: what differs, and what both came to."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any
from urllib.parse import urlencode

from atelier_store.curve import read_curve
from atelier_store.differences import searches, trials
from atelier_store.differences.subjects import SearchSubject, TrialSubject, two
from atelier_store.errors import InvalidInput
from atelier_store.index import Index
from atelier_store.layout import Store
from atelier_store.ranking import leaderboard, standings
from atelier_store.records import Leaderboard, Manifest
from atelier_store.spec import Spec

from atelier_board import promoted
from atelier_board.looks import Looks
from atelier_board.search_view import progress
from atelier_board.trial_view import network


def query(a: str, b: str) -> str:
    """The end of a comparison's address."""
    return urlencode({"a": a, "b": b})


def whole(store: Store, looks: Looks, a: str, b: str) -> dict[str, Any]:
    """What differs between the two of these names. Hashes nothing. InvalidInput with everything that is wrong."""
    one, other = two(store, a, b)
    if isinstance(one, SearchSubject):
        assert isinstance(other, SearchSubject)
        return {"kind": "searches", "a": _search(looks, one), "b": _search(looks, other)} | asdict(
            searches.compare(store, one, other, _looked)
        )
    assert isinstance(other, TrialSubject)
    found = trials.compare(store, one, other)
    told = [_trial(store, subject) for subject in (one, other)]
    return {
        "kind": "trials",
        "a": {"name": a} | told[0],
        "b": {"name": b} | told[1],
        "differences": [asdict(difference) for difference in found],
    }


def _looked(store: Store, spec: Spec) -> Leaderboard:
    """The leaderboard if the bundles are what their manifests say."""
    rows = Index(store, store.experiment(spec.experiment_name)).rows()
    return leaderboard(store, spec, standings(spec, rows), rejected={})


def _search(looks: Looks, subject: SearchSubject) -> dict[str, Any]:
    look = looks.of(subject.name)
    if look is None:
        raise InvalidInput([f"the store has no search {subject.name!r} any more"])
    return {**subject.described, "name": subject.name, **progress(look)}


def _trial(store: Store, subject: TrialSubject) -> dict[str, Any]:
    manifest = Manifest.read_if_whole(subject.paths.bundle.manifest)
    return {
        **subject.described,
        "curve": [epoch.model_dump(mode="json") for epoch in read_curve(subject.paths.metrics)],
        "network": manifest and network(manifest),
        "promoted": promoted.of_trial(store, subject.paths.key, []),
    }
