"""Promotion: the best trial of an experiment becomes a version, and the model's pointer is put on it.

Idempotent, and safe to kill at any write: a version appears whole by a rename, the pointer is replaced by a rename, and whatever is missing
after that (a line of history) is added by the next run. A lease keeps two promotions of one model apart.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from atelier_store import bundle
from atelier_store.clock import now
from atelier_store.files import fsync_folder, sha256_file, temporary_beside, write_bytes, write_text
from atelier_store.layout import ModelPaths, Store
from atelier_store.lease import Holder, Lease
from atelier_store.ranking import rank
from atelier_store.records import Current, HistoryLine, Leaderboard, LeaderboardEntry, Manifest, Promotion
from atelier_store.spec import Spec

Verify = Callable[[Path, Manifest], list[str]]
"""Everything that is wrong with the bundle in a folder."""

Evaluate = Callable[[Path, Manifest], tuple[dict[str, float], int] | None]
"""Test metrics of the bundle in a folder and the number of test rows; None if there is no test set."""


class NothingToPromote(RuntimeError):
    """No trial can be promoted; reasons says why, trial by trial."""

    def __init__(self, reasons: list[str]) -> None:
        super().__init__("; ".join(reasons))
        self.reasons = reasons


@dataclass(frozen=True)
class Promoted:
    """What a promotion came to. is_new is false if the pointer was on this version already."""

    promotion: Promotion
    manifest: Manifest
    leaderboard: Leaderboard
    is_new: bool


def promote(
    store: Store,
    experiment: str,
    model: str,
    *,
    verify: Verify,
    evaluate: Evaluate,
    promoted_by: str,
    on_wait: Callable[[Holder], object] = lambda _: None,
) -> Promoted:
    """Put the model's pointer on the best verified trial of the experiment; waits while another promotion of this model is at work.

    Writes the experiment's leaderboard. Raises NothingToPromote, and OSError as the file system says it; the pointer is then as it was.
    """
    spec = _spec(store, experiment)
    entry, manifest, leaderboard = _winner(store, spec, verify)
    leaderboard.write(store.experiment(experiment).leaderboard)
    source, paths = store.trial(manifest.config.key).bundle, store.model(model)
    with Lease.acquire(paths.lease, f"promotion of {model}", keep_waiting=lambda: True, on_wait=on_wait) as lease:
        digest = sha256_file(source / "manifest.json")
        promotion = _publish(paths, source, digest, entry, evaluate, experiment, promoted_by)
        previous = Current.read_if_whole(paths.current)
        is_new = previous is None or previous.version != promotion.version
        if is_new:
            lease.check()
            pointer = Current(model=model, version=promotion.version, manifest_sha256=digest, promoted_at=now())
            pointer.write(paths.current)
        _remember(paths, promotion, promoted_by)
    return Promoted(promotion, manifest, leaderboard, is_new)


def _spec(store: Store, experiment: str) -> Spec:
    try:
        return Spec.read(store.experiment(experiment).spec)
    except FileNotFoundError:
        known = ", ".join(paths.folder.name for paths in store.experiments()) or "none"
        raise NothingToPromote([f"{store.root} has no experiment {experiment!r}; it has: {known}"]) from None


def _winner(store: Store, spec: Spec, verify: Verify) -> tuple[LeaderboardEntry, Manifest, Leaderboard]:
    """The best entry whose bundle is verified; what is better and does not verify is rejected with its reason."""
    rejected: dict[str, str] = {}
    while True:
        leaderboard = rank(store, spec, rejected)
        best = leaderboard.entries[0] if leaderboard.entries else None
        if best is None or best.rank is None or best.key is None:
            raise NothingToPromote([f"{e.trial}: {e.reason or e.status}" for e in leaderboard.entries] or ["no trial has run"])
        folder = store.trial(best.key).bundle
        manifest = Manifest.read(folder / "manifest.json")
        problems = verify(folder, manifest)
        if not problems:
            return best, manifest, leaderboard
        rejected[best.key] = "; ".join(problems)


def _publish(
    paths: ModelPaths,
    source: Path,
    digest: str,
    entry: LeaderboardEntry,
    evaluate: Evaluate,
    experiment: str,
    promoted_by: str,
) -> Promotion:
    """The version of this bundle: as it stands there already, or copied, checked again, tested, and put in place whole."""
    folder = paths.versions / digest[:12]
    there = Promotion.read_if_whole(folder / "promotion.json")
    if there is not None and not bundle.check_digests(folder):
        return there
    staged = temporary_beside(folder)
    try:
        for name in (*bundle.FILES, "manifest.json"):
            write_bytes(staged / name, (source / name).read_bytes())
        manifest = Manifest.read(staged / "manifest.json")
        if problems := [*bundle.problems(staged, manifest), *_changed(staged, digest)]:
            raise OSError(f"{source}: changed while it was copied: {'; '.join(problems)}")
        tested = evaluate(staged, manifest)
        promotion = Promotion(
            version=folder.name,
            experiment=experiment,
            trial=entry.trial,
            key=manifest.config.key,
            metric=manifest.metrics[manifest.objective_metric_name],
            objective_metric_name=manifest.objective_metric_name,
            test_metrics=tested[0] if tested else None,
            test_rows=tested[1] if tested else 0,
            promoted_at=now(),
            promoted_by=promoted_by,
        )
        promotion.write(staged / "promotion.json")
        if folder.exists():  # not whole, or we would not be here
            folder.rename(temporary_beside(folder))
        staged.rename(folder)
        fsync_folder(paths.versions)
    except BaseException:
        shutil.rmtree(staged, ignore_errors=True)
        raise
    return promotion


def _changed(folder: Path, digest: str) -> list[str]:
    return [] if sha256_file(folder / "manifest.json") == digest else ["manifest.json"]


def history(paths: ModelPaths) -> list[HistoryLine]:
    """Every change of the pointer, oldest first."""
    if not paths.history.exists():
        return []
    return [HistoryLine.model_validate_json(line) for line in paths.history.read_bytes().splitlines()]


def _remember(paths: ModelPaths, promotion: Promotion, promoted_by: str) -> None:
    """Add a line of history, unless the last one says it already."""
    lines = history(paths)
    previous = lines[-1].version if lines else None
    if previous == promotion.version:
        return
    reason = f"best {promotion.objective_metric_name} of {promotion.experiment}: {promotion.metric:.6g}"
    line = HistoryLine(
        version=promotion.version,
        previous=previous,
        experiment=promotion.experiment,
        trial=promotion.trial,
        key=promotion.key,
        reason=reason,
        promoted_at=now(),
        promoted_by=promoted_by,
    )
    write_text(paths.history, "".join(f"{kept.model_dump_json()}\n" for kept in (*lines, line)))
