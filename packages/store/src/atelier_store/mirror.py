"""What a search would promote, mirrored: which network that is made from, and whether it ranks before it.

The mean of what a network answers to a picture and to its mirror image often errs less than either answer (Simonyan and
Zisserman 2015, Very Deep Convolutional Networks). It is a trial with a score of its own, and is ranked like one. Of
equal values it comes after the network that it is made from, since it costs twice as many multiply-adds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from atelier_store import bundle, judging
from atelier_store.errors import InvalidInput
from atelier_store.layout import NETWORK, Store
from atelier_store.records import FinishLine, LeaderboardEntry, Manifest, TrialConfig
from atelier_store.spec import Kind, Spec

EQUAL = "equal, and it costs twice as many multiply-adds"


def configuration(store: Store, key: str) -> TrialConfig:
    """The configuration of the trial with this key mirrored, as its bundle is now. InvalidInput."""
    manifest = bundle.manifest_of(store, key, "--mirror-of")
    if (why_not := _why_not(manifest)) is not None:
        raise InvalidInput([f"--mirror-of: {key}: {why_not}"])
    return variant(manifest)


def refusal(kind: Kind) -> str | None:
    """Why a search on data of this kind cannot ask for it; None if it can."""
    return (
        None if kind == "images" else f"true is for images, which have a mirror image, not for {kind}; allowed: false"
    )


def variant(manifest: Manifest) -> TrialConfig:
    """The configuration of this network mirrored."""
    return manifest.config.model_copy(update={"mirror_of": manifest.as_member(NETWORK)})


def to_mirror(store: Store, spec: Spec, entries: Sequence[LeaderboardEntry]) -> str | None:
    """The key of the first on the leaderboard that is not mirrored itself, if the spec asks for it and it can be."""
    manifest = _first(store, spec, entries)
    return None if manifest is None or _why_not(manifest) else manifest.config.key


def lines(store: Store, spec: Spec, entries: Sequence[LeaderboardEntry]) -> Iterator[FinishLine]:
    """What is known of the mirrored networks of this search, in the order of the leaderboard; none if none is."""
    known = {entry.key: entry for entry in entries if entry.key is not None}
    tried = set()
    for key, entry in known.items():
        config = None if entry.parameters else TrialConfig.read_if_whole(store.trial(key).config)
        if config is not None and config.mirror_of is not None and _is_measured(config):
            tried.add(key)
            yield _line(spec, entry, known, config.mirror_of.key)
    manifest = _first(store, spec, entries)
    if manifest is not None and variant(manifest).key not in tried:
        of = known[manifest.config.key]
        yield FinishLine(
            what="mirror",
            trial=None,
            key=None,
            members=(),
            metric=None,
            best=of.metric,
            best_trial=of.trial,
            kept=False,
            reason=_why_not(manifest) or "not tried yet",
        )


def _line(spec: Spec, entry: LeaderboardEntry, known: Mapping[str, LeaderboardEntry], of_key: str) -> FinishLine:
    of = known.get(of_key)
    kept, reason = judging.beside(spec, entry, of, EQUAL)
    return FinishLine(
        what="mirror",
        trial=entry.trial,
        key=entry.key,
        members=(),
        metric=entry.metric,
        best=of.metric if of else None,
        best_trial=of.trial if of else of_key,
        kept=kept,
        reason=reason,
    )


def _is_measured(config: TrialConfig) -> bool:
    """Whether it is ranked: what was retrained is not, mirrored or not, nor what is in int8."""
    return config.retrained_epochs is None and config.int8_of is None


def _first(store: Store, spec: Spec, entries: Sequence[LeaderboardEntry]) -> Manifest | None:
    """The manifest of the first on the leaderboard that is not mirrored, if the spec asks for mirrored ones."""
    if not spec.trainer.finish.mirror:
        return None
    for entry in entries:
        if entry.rank is None or entry.key is None:
            return None
        manifest = Manifest.read_if_whole(store.trial(entry.key).bundle.manifest)
        if manifest is not None and manifest.config.mirror_of is None:
            return manifest
    return None


def _why_not(manifest: Manifest) -> str | None:
    """Why a network is not mirrored."""
    if manifest.kind != "images":
        return f"answers {manifest.kind}, and only pictures have a mirror image"
    if manifest.config.folds is not None:
        return "has learnt from every row, and none is left to measure a mirrored network on"
    if manifest.config.int8_of is not None:
        return "is in int8, which is made last"
    return "is mirrored already" if manifest.config.mirror_of is not None else None
