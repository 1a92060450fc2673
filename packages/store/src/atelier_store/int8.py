"""The winner of a search in int8: which network that is made from, and whether it takes the winner's place.

It is made after all else, of what ranks first, so that it is ranked beside nothing. It takes that one's place at a
promotion if it is faster, and worse by no more than the spec allows, both measured when it was made.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from atelier_store import bundle
from atelier_store.errors import InvalidInput
from atelier_store.layout import NETWORK, Store
from atelier_store.records import Card, FinishLine, Int8, LeaderboardEntry, Manifest, TrialConfig
from atelier_store.spec import Objective, Spec

FASTER = 0.9
"""Of the time that the winner takes, what an int8 variant may take to be called faster: clocks differ by less."""

ROUNDING = 1e-9
"""So that 0.970 is 0.005 worse than 0.975."""


def configuration(store: Store, key: str) -> TrialConfig:
    """The configuration of the int8 variant of the trial with this key, as its bundle is now. InvalidInput."""
    manifest = bundle.manifest_of(store, key, "--int8-of")
    if (why_not := _why_not(manifest.config)) is not None:
        raise InvalidInput([f"--int8-of: {key}: {why_not}"])
    return _variant(manifest)


def to_quantize(store: Store, spec: Spec, entries: Sequence[LeaderboardEntry]) -> str | None:
    """The key of the winner on the leaderboard, if the spec asks for it in int8 and it can be."""
    manifest = _winner(store, spec, entries)
    return None if manifest is None or _why_none(spec, manifest.config) else manifest.config.key


def in_its_place(store: Store, spec: Spec, entries: Sequence[LeaderboardEntry]) -> LeaderboardEntry | None:
    """The winner in int8, if it is to take the winner's place."""
    line = next(lines(store, spec, entries), None)
    return next(entry for entry in entries if entry.key == line.key) if line is not None and line.kept else None


def lines(store: Store, spec: Spec, entries: Sequence[LeaderboardEntry]) -> Iterator[FinishLine]:
    """What is known of the winner in int8, and whether it takes the winner's place; none if none is asked for."""
    manifest = _winner(store, spec, entries)
    if manifest is None:
        return
    why_not = _why_none(spec, manifest.config)
    key = _variant(manifest).key if why_not is None else None
    entry = next((entry for entry in entries if entry.key is not None and entry.key == key), None)
    card = Card.read_if_whole(store.trial(entry.key).card) if entry is not None and entry.key is not None else None
    measured = card.int8 if card is not None and entry is not None and entry.status == "succeeded" else None
    kept, reason = False, why_not or "not tried yet"
    if measured is not None:
        kept, reason = judge(measured, spec.experiment.objective, spec.trainer.finish.int8 or 0.0)
    elif entry is not None:
        reason = f"{entry.status}: {entry.reason}" if entry.status != "over_budget" else entry.reason or entry.status
    yield FinishLine(
        what="int8",
        trial=entry.trial if entry else None,
        key=entry.key if entry else None,
        members=(),
        metric=entry.metric if entry else None,
        best=entries[0].metric,
        best_trial=entries[0].trial,
        int8=measured,
        kept=kept,
        reason=reason,
    )


def judge(measured: Int8, objective: Objective, most: float) -> tuple[bool, str]:
    """Whether an int8 variant takes the place of its network, and why; most is by how much worse it may be."""
    name = objective.objective_metric_name
    change = measured.change[name]
    drop = -change if objective.type == "maximize" else change
    worse = f"{abs(drop):.3g} {'worse' if drop > 0 else 'better'}" if drop else "as good"
    faster = measured.latency <= FASTER
    words = [
        f"{name} {worse}" + (f", {most:g} allowed" if drop > most + ROUNDING else ""),
        _times(1 / measured.latency, "faster") if measured.latency < 1 else _times(measured.latency, "slower"),
        f"{measured.size:.2f} of the size",
    ]
    if not faster and measured.latency < 1:
        words[1] += f", and {1 / FASTER:.2f} times is asked for"
    return faster and drop <= most + ROUNDING, "; ".join(words)


def _times(ratio: float, how: str) -> str:
    return f"{ratio:.2f} times {how}"


def _winner(store: Store, spec: Spec, entries: Sequence[LeaderboardEntry]) -> Manifest | None:
    """The manifest of the first on the leaderboard, if the spec asks for it in int8."""
    best = entries[0] if entries else None
    if spec.trainer.finish.int8 is None or best is None or best.rank is None or best.key is None:
        return None
    return Manifest.read_if_whole(store.trial(best.key).bundle.manifest)


def _variant(manifest: Manifest) -> TrialConfig:
    return manifest.config.model_copy(update={"int8_of": manifest.as_member(NETWORK)})


def _why_none(spec: Spec, config: TrialConfig) -> str | None:
    """Why the winner of a search is not brought to int8."""
    return "the winner is retrained" if spec.trainer.finish.retrain is not None else _why_not(config)


def _why_not(config: TrialConfig) -> str | None:
    """Why a network has no int8 variant: there is no row to measure on what it loses."""
    if config.folds is not None or config.retrained_epochs is not None:
        return "has learnt from every row, and none is left to measure what int8 loses"
    return "is in int8 already" if config.int8_of is not None else None
