"""What is tried at the end of a search beside its trials: an average of the best of them, and the winner retrained.

The mean of what several trained networks answer errs less than each of them where they err differently (Hansen and
Salamon 1990, Neural Network Ensembles). Which are averaged follows from the leaderboard alone; the average is then
ranked like a trial, by its own score on the validation rows. Of equal values fewer parameters rank first, so it has to
be better than the best of its members.

What is retrained on the validation rows too has no score that could be compared. It has no rank; a promotion puts it in
the place of the winner, by the rule that the spec names; of a winner that is mirrored, what is retrained is mirrored
too. Mirroring and the winner in int8 are modules of their own (mirror, int8).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Literal

from atelier_store import budget, int8, judging, mirror, names
from atelier_store.errors import InvalidInput
from atelier_store.in_words import counted
from atelier_store.layout import NETWORK, Store
from atelier_store.records import (
    AveragedTrial,
    Card,
    FinishLine,
    Leaderboard,
    LeaderboardEntry,
    Manifest,
    Member,
    Status,
    TornRecord,
    TrialConfig,
)
from atelier_store.spec import Spec, sha256_of

ENDED: tuple[Status, ...] = ("paused", "succeeded")
"""Of a trial that can be promoted."""

FEWEST = 2
"""Networks of an average."""
EQUAL = "equal, and of equal networks the one with fewer parameters is taken"


def members(store: Store, spec: Spec, entries: Sequence[LeaderboardEntry]) -> tuple[str, ...]:
    """The keys of the trials to average, the best first: as many of the best as the spec says and the budget allows.

    A trial and its tail count once, as the better of them. The worst are left out until the sums of parameters and
    multiply-adds are within the budget, and no average of just these was measured to be over it. Empty if fewer than
    two are left.
    """
    most = spec.trainer.finish.average
    if most is None:
        return ()
    chosen = list(islice(_distinct(store, entries), most))
    while len(chosen) >= FEWEST:
        keys = tuple(entry.key for entry in chosen if entry.key is not None)
        if not _over(store, spec, chosen, keys):
            return keys
        chosen.pop()
    return ()


def configuration(store: Store, keys: Sequence[str]) -> TrialConfig:
    """The configuration of the average of the trials with these keys, as their bundles are now. InvalidInput."""
    manifests, violations = [], []
    for key in keys:
        if not names.KEY.accepts(key):
            violations.append(f"{key}: {names.KEY.refusal(key)}")
            continue
        try:
            manifests.append(Manifest.read(store.trial(key).bundle.manifest))
        except (FileNotFoundError, TornRecord) as error:
            violations.append(f"{key}: no trial with a whole bundle has this key: {error}")
    if len(set(keys)) < FEWEST or len(set(keys)) < len(keys):
        violations.append(f"{', '.join(keys)}; an average is of {FEWEST} trials or more, each once")
    if not violations:
        first = manifests[0]
        violations += [
            f"{manifest.config.key}: learnt from other data, or another split, than {first.config.key}"
            for manifest in manifests[1:]
            if _learnt_from(manifest.config) != _learnt_from(first.config)
        ]
        violations += [
            f"{one.config.key}: is made from other networks itself" for one in manifests if not one.config.is_trained
        ]
        violations += [
            f"{one.config.key}: has folds, and no row is left that all have not learnt from"
            for one in manifests
            if one.config.folds
        ]
    if violations:
        raise InvalidInput([f"--average-of: {violation}" for violation in violations])
    of = tuple(one.as_member(NETWORK) for one in manifests)
    other: dict[str, Any] = {
        "params": {},
        "network_digest": sha256_of([one.config.network_digest for one in manifests]),
        **dict.fromkeys(("parent", "parent_epochs", "tail_epochs")),
        "members": of,
    }
    return first.config.model_copy(update=other)


def retraining(manifest: Manifest) -> tuple[TrialConfig, ...]:
    """The configurations that retrain a network on training and validation rows, the last of them the network's.

    It has the parameters, the seed, the epochs and the schedule of what won: of a tail the parent is retrained before
    it. The epochs are those of the weights that were kept. Of a mirrored network it is what that is made from.
    """
    config, epochs = manifest.config, manifest.provenance.best_epoch or manifest.provenance.epochs
    update: dict[str, Any] = dict.fromkeys(("parent", "parent_epochs", "tail_epochs", "keep_weights", "mirror_of"))
    first = config.model_copy(update={**update, "retrained_epochs": config.parent_epochs or epochs})
    if config.tail_epochs is None:
        return (first,)
    tail = {"parent": first.key, "parent_epochs": config.parent_epochs, "tail_epochs": config.tail_epochs}
    return first, first.model_copy(update=tail)


def to_retrain(store: Store, spec: Spec, entries: Sequence[LeaderboardEntry]) -> Manifest | None:
    """The manifest of the winner on the leaderboard, if the spec asks for it to be retrained and it can be."""
    manifest = _winner(store, spec, entries)
    return None if manifest is None or _why_not_retrained(spec, manifest) else manifest


def retrained(store: Store, spec: Spec, entries: Sequence[LeaderboardEntry]) -> LeaderboardEntry | None:
    """The winner, retrained, and mirrored if it is, if that has a bundle and is within the budget."""
    manifest = to_retrain(store, spec, entries)
    entry = _again(store, manifest, entries) if manifest else None
    return entry if entry is not None and entry.status == "succeeded" else None


def _winner(store: Store, spec: Spec, entries: Sequence[LeaderboardEntry]) -> Manifest | None:
    """The manifest of the first on the leaderboard, if the spec asks for it to be retrained."""
    best = entries[0] if entries else None
    if spec.trainer.finish.retrain is None or best is None or best.rank is None or best.key is None:
        return None
    return Manifest.read_if_whole(store.trial(best.key).bundle.manifest)


def _why_not_retrained(spec: Spec, manifest: Manifest) -> str | None:
    config = manifest.config
    if config.members is not None:
        return "the best is an average, which is not retrained"
    if config.tail_epochs not in (None, spec.trainer.tail_epochs):
        epochs = counted(config.tail_epochs, "epoch")
        return f"the best is a tail of {epochs}, and trainer.tailEpochs is another number now"
    return None


def _again(store: Store, manifest: Manifest, entries: Sequence[LeaderboardEntry]) -> LeaderboardEntry | None:
    """The trial that is this one retrained, and then mirrored if this one is, as far as that has begun."""
    known = {entry.key: entry for entry in entries}
    key = retraining(manifest)[-1].key
    entry = known.get(key)
    if entry is None or entry.status != "succeeded" or manifest.config.mirror_of is None:
        return entry
    again = Manifest.read_if_whole(store.trial(key).bundle.manifest)
    return None if again is None else known.get(mirror.variant(again).key)


def with_verdict(board: Leaderboard, what: Literal["retraining", "int8"], kept: bool, reason: str) -> Leaderboard:
    """The leaderboard that says whether what was made of the winner takes its place, and why."""
    verdict = {"kept": kept, "reason": reason}
    lines = [line.model_copy(update=verdict) if line.what == what else line for line in board.finish]
    return board.model_copy(update={"finish": tuple(lines)})


def lines(store: Store, spec: Spec, entries: Sequence[LeaderboardEntry]) -> tuple[FinishLine, ...]:
    """What was tried at the end of this search, in the order of the leaderboard, and what came of it."""
    return (
        *_averages(store, spec, entries),
        *mirror.lines(store, spec, entries),
        *_retrainings(store, spec, entries),
        *int8.lines(store, spec, entries),
    )


def _retrainings(store: Store, spec: Spec, entries: Sequence[LeaderboardEntry]) -> Iterator[FinishLine]:
    """What is known of the winner, retrained, before a promotion decides whether it takes its place."""
    manifest = _winner(store, spec, entries)
    if manifest is None:
        return
    why_not = _why_not_retrained(spec, manifest)
    entry = _again(store, manifest, entries) if why_not is None else None
    if entry is None:
        reason = why_not or "not tried yet"
    elif entry.status == "succeeded":
        reason = f"not measurable; a promotion decides by the rule {spec.trainer.finish.retrain}"
    else:
        reason = entry.reason or entry.status
    yield FinishLine(
        what="retraining",
        trial=entry.trial if entry else None,
        key=entry.key if entry else None,
        members=(),
        metric=None,
        best=entries[0].metric,
        best_trial=entries[0].trial,
        kept=False,
        reason=reason,
    )


def _averages(store: Store, spec: Spec, entries: Sequence[LeaderboardEntry]) -> tuple[FinishLine, ...]:
    averages = [(entry, of) for entry in entries if not entry.parameters and (of := _members_of(store, entry))]
    if not averages and spec.trainer.finish.average is None:
        return ()
    trials = {entry.key: entry.trial for entry in entries if entry.key is not None}
    best = next(_distinct(store, entries), None)
    found = [_line(store, spec, entry, of, best, trials) for entry, of in averages]
    if spec.trainer.finish.average is not None and best is not None:
        found += _untried(store, spec, entries, best, [entry.key for entry, _ in averages])
    return tuple(found)


def _untried(
    store: Store, spec: Spec, entries: Sequence[LeaderboardEntry], best: LeaderboardEntry, tried: Sequence[str | None]
) -> Iterator[FinishLine]:
    """That there is no average of the trials as they are now, and why."""
    keys = members(store, spec, entries)
    if keys and _key(store, keys) in tried:
        return
    if keys:
        reason = "not tried yet"
    elif len(list(islice(_distinct(store, entries), FEWEST))) < FEWEST:
        reason = f"fewer than {FEWEST} trials have a network to average"
    else:
        reason = f"fewer than {FEWEST} of the best trials are within the budget together"
    yield FinishLine(
        what="average",
        trial=None,
        key=None,
        members=(),
        metric=None,
        best=best.metric,
        best_trial=best.trial,
        kept=False,
        reason=reason,
    )


def _line(
    store: Store,
    spec: Spec,
    entry: LeaderboardEntry,
    of: Sequence[Member],
    best: LeaderboardEntry | None,
    trials: Mapping[str, str],
) -> FinishLine:
    kept, reason = judging.beside(spec, entry, best, EQUAL)
    if not all(_is_as_it_was(store, member) for member in of):
        reason += "; of these networks as they were before they were trained on"
    return FinishLine(
        what="average",
        trial=entry.trial,
        key=entry.key,
        members=tuple(AveragedTrial(trial=trials.get(one.key, one.key), **one.model_dump()) for one in of),
        metric=entry.metric,
        best=best.metric if best else None,
        best_trial=best.trial if best else None,
        kept=kept,
        reason=reason,
    )


def _distinct(store: Store, entries: Sequence[LeaderboardEntry]) -> Iterator[LeaderboardEntry]:
    """The trials that have ended and can be promoted, best first; of a trial and its tails the best; no averages.

    Only those that learnt from the same rows as the best: the file of a search's data may have changed meanwhile.
    """
    seen: set[str] = set()
    rows: tuple[object, ...] | None = None
    for entry in entries:
        if entry.rank is None or entry.key is None or entry.status not in ENDED:
            continue
        config = TrialConfig.read_if_whole(store.trial(entry.key).config)
        if config is None or not config.is_trained:
            continue
        rows, origin = rows or _learnt_from(config), config.parent or config.key
        if origin not in seen and _learnt_from(config) == rows:
            seen.add(origin)
            yield entry


def _members_of(store: Store, entry: LeaderboardEntry) -> tuple[Member, ...] | None:
    config = TrialConfig.read_if_whole(store.trial(entry.key).config) if entry.key is not None else None
    return config.members if config is not None and config.mirror_of is None and config.int8_of is None else None


def _is_as_it_was(store: Store, member: Member) -> bool:
    manifest = Manifest.read_if_whole(store.trial(member.key).bundle.manifest)
    return manifest is None or manifest.files.get(NETWORK) == member.onnx_sha256


def _over(store: Store, spec: Spec, chosen: Sequence[LeaderboardEntry], keys: Sequence[str]) -> bool:
    """Whether an average of these is over the budget, as far as that is known."""
    bounds = spec.trainer.budget
    if budget.exceeded(bounds, sum(e.params or 0 for e in chosen), sum(e.macs or 0 for e in chosen), None):
        return True
    key = _key(store, keys) if bounds.latency_ms is not None else None
    card = Card.read_if_whole(store.trial(key).card) if key is not None else None
    return card is not None and bool(
        budget.exceeded(bounds, card.params, card.macs, card.latency.p50_ms if card.latency else None)
    )


def _key(store: Store, keys: Sequence[str]) -> str | None:
    """The key of the average of these trials; None if one of their bundles is not whole."""
    try:
        return configuration(store, keys).key
    except InvalidInput:
        return None


def _learnt_from(config: TrialConfig) -> tuple[object, ...]:
    return config.data_digest, config.validation_fraction, config.folds, config.seed, config.retrained_epochs
